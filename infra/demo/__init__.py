"""`coinlake demo`: the whole chain on one machine, from nothing to candles on the screen."""
