"""Bonafides: identity, reputation and decisions for AI agents; the registry and its rooms."""
