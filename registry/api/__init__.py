"""The HTTP doors: decode, authenticate, call, encode."""
