"""Decisions: a request, a fact vector and a policy pack give allow or deny with reasons. Pure."""
