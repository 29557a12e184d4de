"""X: what is searched there, by recent search of its API v2."""

VENUE = "x"
