"""The names of subjects in the state map, and of the records about them. What a record says is not known here.

Spec: specs/state-map.md "Subjects and their states"
"""

from __future__ import annotations

from did_methods.codec import base64url_decode, base64url_encode

DID_STATE_FORMAT = "bonafides/did-state/1"
STATEMENT_STATE_FORMAT = "bonafides/statement-state/1"
EVENT_PREFIX = "event:"


def event_subject(event_id: bytes) -> str:
    """Return under which name a statement stands in the map: ``event:`` and its id in base64url."""
    return EVENT_PREFIX + base64url_encode(event_id)


def parse_event_subject(subject: str) -> bytes:
    """Return the event id of a statement's name in the map.

    Raises:
        CodecError: what follows the prefix is no base64url.
    """
    return base64url_decode(subject.removeprefix(EVENT_PREFIX))
