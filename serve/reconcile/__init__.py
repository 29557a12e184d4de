"""Our candles beside the exchange's own: the score, the holes, and a page of both."""
