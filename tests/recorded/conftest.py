"""The Spark session of the streaming tests, for recorded trades and candles."""

from tests.streaming.conftest import spark

__all__ = ["spark"]
