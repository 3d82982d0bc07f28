"""From a network and images to rows on disk: plan, parts, run folder, summary."""
