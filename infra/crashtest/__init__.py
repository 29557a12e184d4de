"""`coinlake crashtest`: kill what can be killed, start it again, and show that the lake is what it would have been."""
