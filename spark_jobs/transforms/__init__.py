"""DataFrame -> DataFrame: no SparkSession, no path, no environment, no clock."""
