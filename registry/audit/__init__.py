"""From the public log to findings."""
