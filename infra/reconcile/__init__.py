"""Reconciling a lake with the exchange: what `coinlake reconcile` runs."""
