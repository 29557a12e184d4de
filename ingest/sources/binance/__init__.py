"""Binance spot: polled prices, pushed klines and aggregate trades, and what was missed asked for over REST.

Venue rules: https://github.com/binance/binance-spot-api-docs (rest-api.md, web-socket-streams.md, errors.md).
"""

VENUE = "binance"
