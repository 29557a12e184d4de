"""Engines side by side on one job, topic to topic: the moving average of the live chart.

Each reads `binance_agg_trades` and tells, with each event, the six windows (3 s long, one every 0.5 s) that the event
falls in anew, in `crypto_data_aggregated`. `python -m benchmarks.live_engines` measures how long that takes, what it
costs, whether all of it comes and is right, and, with `--kill`, what is left of it after a crash.
"""
