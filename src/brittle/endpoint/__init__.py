"""Networks behind a URL: the protocol, who asks, and who answers."""
