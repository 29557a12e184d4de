"""The live chart with all that it needs, on this machine."""
