"""Doors to the outside: clock, key files."""
