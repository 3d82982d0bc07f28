"""Who does which part of a piece of work: parts are claimed one by one, so that several processes share one folder."""
