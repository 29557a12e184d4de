"""How it all runs: set-up, topics, buckets, jars, the embedded stack and the command line."""
