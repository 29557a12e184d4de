"""Bring venues' answers into Kafka: one file per venue, one runner, one Kafka sink."""
