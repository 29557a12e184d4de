"""Archive files to 10-minute candles: ours beside DuckDB and Polars, on the same files in the same run."""
