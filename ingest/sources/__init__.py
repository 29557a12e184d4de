"""One file per venue: its requests, its error codes and its parser."""
