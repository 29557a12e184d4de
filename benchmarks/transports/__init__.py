"""Kafka and ZeroMQ side by side: one producer with the real sink, one consumer with the real feed, one machine."""
