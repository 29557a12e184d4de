"""Where the jobs touch the world: the Spark session, Kafka, the lake, the lease, the published Parquet."""
