"""Posts scored by the pandas UDF of our job, and one by one in a plain Python loop."""
