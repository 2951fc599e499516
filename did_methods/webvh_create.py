"""Writing did:webvh log entries: create, rotate, update, move, deactivate, always by the agent that holds the keys.

Decides the form of the entries this product writes: pre-rotation and portability from entry 1 unless the caller says
otherwise in so many words, ``proof`` a list, only changed parameters, never ``null``. What is written is verified
before it is returned, so a caller cannot publish an entry that others refuse. Draws no keys and publishes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.data_integrity import sign_document
from did_methods.document import DID_CONTEXT, MULTIKEY_CONTEXT
from did_methods.https_location import parse_https_location
from did_methods.key import key_signer
from did_methods.keys import PrivateKey, PublicKey
from did_methods.timestamp import format_timestamp
from did_methods.webvh_entry import (
    SCID_PLACEHOLDER,
    derive_entry_hash,
    replace_text,
    verify_entry,
)
from did_methods.webvh_errors import MoveElsewhereError
from did_methods.webvh_parameters import METHOD, PreRotationIncompleteError, hash_text
from did_methods.webvh_state import WebvhState, parse_webvh_did
from did_methods.webvh_witness import WitnessRule

SECOND_MS: Final = 1000
SIGNING_PURPOSES: Final = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")


def did_template(host: str, *, port: int | None = None, path: Sequence[str] = ()) -> str:
    """Return the DID of a place, with ``{SCID}`` where the SCID will stand.

    Args:
        host: domain name of at least two labels, without port.
        port: 1 to 65535; None for the HTTPS default.
        path: decoded path segments, for example ``("agents", "alice")``.

    Raises:
        DidError: any code of ``parse_https_location``.

    Spec: did:webvh 1.0 Method-Specific Identifier
    """
    authority = quote(host, safe="") if port is None else f"{quote(host, safe='')}%3A{port}"
    # Quoted once more for "~", which a URL leaves plain and a DID does not know.
    location = ":".join([authority, *(quote(segment, safe="").replace("~", "%7E") for segment in path)])
    parse_https_location(location)
    return f"did:webvh:{SCID_PLACEHOLDER}:{location}"


def document_template(did: str, public_keys: Sequence[PublicKey]) -> dict[str, Any]:
    """Return the default document of an agent: its keys as Multikeys that sign for every purpose.

    Args:
        did: the DID, or the template of one from ``did_template``.
        public_keys: at least one; they become ``#key-1``, ``#key-2`` and so on.

    Spec: DID-CORE 5
    """
    ids = [f"{did}#key-{number}" for number in range(1, len(public_keys) + 1)]
    methods = [
        {"id": method_id, "type": "Multikey", "controller": did, "publicKeyMultibase": key.multikey}
        for method_id, key in zip(ids, public_keys, strict=True)
    ]
    return {
        "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
        "id": did,
        "verificationMethod": methods,
        **{purpose: list(ids) for purpose in SIGNING_PURPOSES},
    }


def create_entry(
    document: Mapping[str, Any],
    *,
    update_key: PrivateKey,
    next_key_hashes: Sequence[str],
    version_time_ms: int,
    more_update_keys: Sequence[str] = (),
    portable: bool = True,
    ttl_s: int | None = None,
    witness: WitnessRule | None = None,
    watchers: Sequence[str] = (),
) -> tuple[dict[str, Any], WebvhState]:
    """Return the first entry of a new log, and the state after it.

    Args:
        document: the first document, with ``{SCID}`` wherever the SCID belongs.
        update_key: the key that may change the DID and signs this entry.
        next_key_hashes: commitments (``next_key_hash``) to the next update keys; ``()`` leaves pre-rotation off.
        version_time_ms: now, milliseconds since the epoch; written in whole seconds, rounded down.
        more_update_keys: Multikeys of further update keys.
        portable: whether the DID may ever move to another host; it cannot be switched on later.
        ttl_s: seconds that resolvers may keep the document; None for the default of the specification.
        witness: who must witness this entry and those to come; None for nobody. Their proofs are published first.
        watchers: URIs of whoever agreed to watch the log.

    Raises:
        DidError: any code of ``verify_entry``, or of ``parse_did_document`` for the document.

    Spec: did:webvh 1.0 Create (Register)
    """
    parameters: dict[str, Any] = {
        "method": METHOD,
        "scid": SCID_PLACEHOLDER,
        "updateKeys": [update_key.public_key.multikey, *more_update_keys],
        "nextKeyHashes": list(next_key_hashes),
        "portable": portable,
    }
    optional = {"ttl": ttl_s, "witness": witness and witness.to_wire(), "watchers": list(watchers) or None}
    parameters.update({name: value for name, value in optional.items() if value is not None})
    preliminary = {
        "versionId": SCID_PLACEHOLDER,
        "versionTime": _version_time(version_time_ms),
        "parameters": parameters,
        "state": dict(document),
    }
    scid = hash_text(canonicalize(preliminary))
    body = replace_text(preliminary, old=SCID_PLACEHOLDER, new=scid)
    return _finish(None, body, predecessor=scid, update_key=update_key, version_time_ms=version_time_ms)


def append_entry(
    state: WebvhState,
    document: Mapping[str, Any],
    *,
    update_key: PrivateKey,
    version_time_ms: int,
    update_keys: Sequence[str] | None = None,
    next_key_hashes: Sequence[str] | None = None,
    deactivated: bool = False,
    portable: bool | None = None,
    ttl_s: int | None = None,
    witness: WitnessRule | Literal[False] | None = None,
    watchers: Sequence[str] | None = None,
) -> tuple[dict[str, Any], WebvhState]:
    """Return the next entry of a log, and the state after it.

    With pre-rotation on, each entry is a rotation: ``update_key`` is a key that the entry before committed to, and
    ``next_key_hashes`` must be given.

    Args:
        state: the verified state the entry follows.
        document: the whole new document; of another DID to move (see ``move_document``).
        update_key: the key that signs: a committed one with pre-rotation, else one in force.
        version_time_ms: now, milliseconds since the epoch; written in whole seconds, rounded down, and then still
            later than in state.
        update_keys: new update keys; None for ``update_key`` alone with pre-rotation, else for no change.
        next_key_hashes: new commitments; ``()`` switches pre-rotation off after this entry; None for no change.
        deactivated: whether this entry ends the DID.
        portable: False to give up moving for good; None for no change.
        ttl_s: new time to live in seconds; None for no change.
        witness: who must witness the entries to come; False for nobody any more; None for no change. The rule before
            approves this entry, or the new one where there was none.
        watchers: URIs of whoever agreed to watch the log; None for no change.

    Raises:
        PreRotationIncompleteError: webvh_pre_rotation_incomplete.
        DidError: any code of ``verify_entry``, or of ``parse_did_document`` for the document.

    Spec: did:webvh 1.0 Update (Rotate)
    """
    if state.next_key_hashes:
        if next_key_hashes is None:
            raise PreRotationIncompleteError("with pre-rotation on, state the next commitments")
        update_keys = [update_key.public_key.multikey] if update_keys is None else update_keys
    stated: dict[str, Any] = {
        "updateKeys": None if update_keys is None else list(update_keys),
        "nextKeyHashes": None if next_key_hashes is None else list(next_key_hashes),
        "deactivated": deactivated or None,
        "portable": portable,
        "ttl": ttl_s,
        "witness": None if witness is None else witness.to_wire() if witness else {},
        "watchers": None if watchers is None else list(watchers),
    }
    body = {
        "versionId": state.version_id,
        "versionTime": _version_time(version_time_ms),
        "parameters": {name: value for name, value in stated.items() if value is not None},
        "state": _copied(document),
    }
    return _finish(state, body, predecessor=state.version_id, update_key=update_key, version_time_ms=version_time_ms)


def move_document(state: WebvhState, new_did: str) -> dict[str, Any]:
    """Return the document of a state as that of another DID, with the DID before in ``alsoKnownAs``.

    Every text that is the DID, or begins with it as a DID URL does, is renamed; the rest stays.

    Args:
        state: the newest state of a portable log.
        new_did: the DID at the new place, with the same SCID.

    Raises:
        DidError: webvh_did_malformed, or any code of ``parse_https_location``.
        MoveElsewhereError: webvh_move_elsewhere when the SCID is another one, or the DID the same.

    Spec: did:webvh 1.0 DID Portability
    """
    if parse_webvh_did(new_did).scid != state.scid or new_did == state.did:
        raise MoveElsewhereError
    document = _copied(state.raw_document)
    aliases = document.pop("alsoKnownAs", [])
    renamed = _renamed(document, old=state.did, new=new_did)
    kept = [alias for alias in aliases if alias not in {new_did, state.did}]
    return {**renamed, "alsoKnownAs": [*kept, state.did]}


def _renamed(value: Any, *, old: str, new: str) -> Any:
    match value:
        case str() if value == old or value.startswith((f"{old}#", f"{old}/", f"{old}?")):
            return new + value[len(old) :]
        case list():
            return [_renamed(item, old=old, new=new) for item in value]
        case dict():
            return {name: _renamed(item, old=old, new=new) for name, item in value.items()}
        case _:
            return value


def deactivate_entry(
    state: WebvhState, *, update_key: PrivateKey, version_time_ms: int
) -> tuple[dict[str, Any], WebvhState]:
    """Return the entry that ends a DID, and the state after it; the document stays as it was.

    One entry is enough with pre-rotation too: the update keys it must then list can sign nothing after it.

    Args:
        state: the verified state the entry follows.
        update_key: the key that signs: a committed one with pre-rotation, else one in force.
        version_time_ms: now, milliseconds since the epoch; written in whole seconds, rounded down, and then still
            later than in state.

    Raises:
        DidError: any code of ``verify_entry``.

    Spec: did:webvh 1.0 Deactivate (Revoke)
    """
    rotating = bool(state.next_key_hashes)
    return append_entry(
        state,
        state.raw_document,
        update_key=update_key,
        version_time_ms=version_time_ms,
        update_keys=[update_key.public_key.multikey] if rotating else [],
        next_key_hashes=[] if rotating else None,
        deactivated=True,
    )


def entry_line(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as one line of ``did.jsonl``: canonical JSON and a line feed.

    Spec: did:webvh 1.0 The DID Log File
    """
    return canonicalize(dict(entry)) + b"\n"


def _version_time(version_time_ms: int) -> str:
    """Return the time in whole seconds: a widespread verifier drops the fraction before it hashes."""
    return format_timestamp(version_time_ms - version_time_ms % SECOND_MS)


def _copied(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that the caller cannot change after it was signed, and that is JSON to the last member."""
    return parse_json_object(canonicalize(dict(document)))


def _finish(
    previous: WebvhState | None,
    body: dict[str, Any],
    *,
    predecessor: str,
    update_key: PrivateKey,
    version_time_ms: int,
) -> tuple[dict[str, Any], WebvhState]:
    number = 1 if previous is None else previous.version_number + 1
    entry_hash = derive_entry_hash(body, predecessor=predecessor)
    unsigned = {**body, "versionId": f"{number}-{entry_hash}"}
    entry = sign_document(unsigned, signer=key_signer(update_key), created=version_time_ms, append=True)
    state = verify_entry(previous, entry, now_ms=version_time_ms)
    _ = state.document  # a document that does not parse would verify as an entry and be of no use to anybody
    return entry, state
