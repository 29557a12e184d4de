"""X's recent search, API v2, on localhost."""

VENUE = "x"
SEARCH = "/2/tweets/search/recent"
