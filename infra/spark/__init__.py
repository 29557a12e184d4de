"""How Spark is started: its configuration, its jars, its command line."""
