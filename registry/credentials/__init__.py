"""Credentials and presentations: their kinds, issue, parse and verify. Pure; knows no log, score or store."""
