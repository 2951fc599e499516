"""How many examples the dearest laws try: some in the everyday run, more in `scripts/test --full`, most when asked.

Only laws that cost several seconds are listed; every other one takes the number of its profile (`tests/conftest.py`).
No run repeats the examples of an earlier one, so what one leaves out the next ones try. Most are tried by
`scripts/test --full --hypothesis-profile=long`, which takes more than an hour.
"""

from __future__ import annotations

from hypothesis import settings

# Law -> examples of an everyday run, with --full, and in the long profile.
EXAMPLES = {
    "a score equals the definition": (50, 240, 1_000),
    "consecutive milliseconds never rise": (600, 3_000, 10_000),
    "the life of a DID": (15, 200, 1_000),
    "the life of a log": (20, 200, 1_000),
    "the life of a registry": (4, 40, 400),
}
_COLUMNS = {"full": 1, "long": 2}


def examples(law: str, **more: int) -> settings:
    """Return the settings of a law.

    Args:
        law: its name in `EXAMPLES`.
        **more: further settings, for example stateful_step_count.
    """
    column = _COLUMNS.get(settings.get_current_profile_name(), 0)
    return settings(max_examples=EXAMPLES[law][column], deadline=None, **more)
