"""The dashboard: the whole lakehouse on one page, every panel fed by the query API."""
