"""Kafka Connect: its worker, its connectors as data, and the sink of the embedded one."""
