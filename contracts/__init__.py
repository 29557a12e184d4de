"""The vocabulary every room shares: records, streams, topics, tables, settings, errors. No I/O."""
