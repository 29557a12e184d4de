"""Kafka's administration: the client and the topics."""
