"""Use cases: gather facts, call a pure room, write in one transaction."""
