"""The query API: named queries on QuestDB, on the lake and on Kafka, answered as JSON or CSV."""
