"""The venues on localhost: recorded or generated markets, played through the venues' own protocols."""
