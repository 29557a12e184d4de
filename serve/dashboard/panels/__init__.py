"""The panels of the dashboard, one file each: what it asks, and how it is drawn."""
