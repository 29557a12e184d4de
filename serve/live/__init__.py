"""The live chart's server: a topic of moving averages, told to any number of browsers as it grows."""
