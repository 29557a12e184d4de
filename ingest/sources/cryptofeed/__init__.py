"""Venues that cryptofeed speaks to."""
