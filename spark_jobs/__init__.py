"""Kafka -> lake: spark-submit targets whose `plan()` reads as sentences, pure transforms, thin edges."""
