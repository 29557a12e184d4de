"""Binance spot: REST and WebSocket streams, generated or recorded, with the venue's limits.

Source of the rules: the venue's public documents of 2026-07 (rest-api.md, web-socket-streams.md, errors.md).
"""
