"""The score: a pure function of (log prefix, instant, rules version), in exact integers.

Use ``state.ReputationState`` and its drafts; the rest are the parts they are made of. specs/reputation.md is the
normative text.
"""
