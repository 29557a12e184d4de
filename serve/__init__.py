"""Lake and topics -> people: what the terminal shows of the published Parquet, and where each candle comes from."""
