"""How many examples the dearest laws try: some in the everyday run, more in `scripts/test --full`.

Only laws that cost several seconds are listed; every other one takes the number of its profile (`tests/conftest.py`).
An everyday run draws other examples each time, so that what one run leaves out the next ones try.
"""

from __future__ import annotations

from hypothesis import settings

# Law -> examples of an everyday run, examples with --full.
EXAMPLES = {
    "a score equals the definition": (50, 240),
    "consecutive milliseconds never rise": (600, 3_000),
    "the life of a DID": (20, 1_000),
    "the life of a log": (20, 200),
}


def examples(law: str, **more: int) -> settings:
    """Return the settings of a law.

    Args:
        law: its name in `EXAMPLES`.
        **more: further settings, for example stateful_step_count.
    """
    everyday, full = EXAMPLES[law]
    is_full = settings.get_current_profile_name() == "full"
    return settings(max_examples=full if is_full else everyday, deadline=None, **more)
