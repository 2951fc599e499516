"""The shape of a leaf: its names and marks as they stand, any text for each text, any integer for each integer.

Leaves of one kind are alike. What has the shape of a leaf that was read in full is in canonical form like it: its names stand
in the same order, and neither the texts nor the integers that a shape allows could be written otherwise. So of many leaves that
are alike one is parsed, and the others are matched, which costs a tenth. No match says nothing: such a leaf is to be parsed.

Spec: FORMATS "Leaf"; RFC 8785.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from registry.log.entry import LEAF_FORMAT

_NOT_PLAIN: Final = (*range(0x20), ord("\\"))
_KNOWN_SHAPES: Final = 64
_TEXT: Final = '"[^"]*+"'
_DIGITS: Final = "[1-9][0-9]{0,14}+"  # any number of so many digits is a safe integer
_INTEGER: Final = f"(?:0|-?{_DIGITS})"
_TOKEN: Final = re.compile(r'("[^"]*+":?|-?[0-9]++)')  # a name, a text or an integer
_FRAME: Final = ',"format":"'
_PREVIOUS: Final = f'"prevIndex":((?:null|0|{_DIGITS}),"prevLeafHash":(?:null|{_TEXT}))'
_ROLES: Final = r'\["(?:signer|subject|signer","subject)"\]'
_PARTY: Final = rf'\{{"count":({_DIGITS}),"did":"([^"]*+)",{_PREVIOUS},"roles":{_ROLES}\}}'


def is_plain(data: bytes) -> bool:
    """Whether bytes are printable ASCII without a backslash, so that a text in them is all that stands between two quotes.

    0x7F counts as printable: JSON does not escape it.
    """
    # To search for one byte after the other is quicker than any other way to look at bytes here: 30 GB/s each.
    return data.isascii() and not any(map(data.__contains__, _NOT_PLAIN))


def shape_of(leaf: str) -> str:
    """Write the shape of a leaf as a regular expression, to be matched with plain text alone.

    A match gives of each party its count, its DID and what stands from the value of prevIndex to that of prevLeafHash; then
    the log time.

    Args:
        leaf: in canonical form, plain, with an event that is no digest, and with parties.
    """
    # No text holds a quote, so what looks like the member is it; and parties have no such member.
    at = leaf.rindex(_FRAME)
    event = "".join(map(_generalise, _TOKEN.split(leaf[:at])))
    parties = ",".join([_PARTY] * leaf.count('"prevLeafHash":', at))
    frame = rf'{_FRAME}{LEAF_FORMAT}","kind":"[a-z][a-z0-9_]{{0,39}}+","parties":\[{parties}\],"time":(0|{_DIGITS})\}}'
    return event + frame


@lru_cache(maxsize=_KNOWN_SHAPES)
def shape_pattern(shape: str) -> re.Pattern[str]:
    """Compile a shape; the newest ones are kept, because compiling one costs as much as parsing a hundred leaves."""
    return re.compile(shape)


def _generalise(token: str) -> str:
    if token.startswith('"'):
        return re.escape(token) if token.endswith(":") else _TEXT
    return _INTEGER if token[-1:].isdigit() else re.escape(token)
