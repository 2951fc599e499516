"""The ``parameters`` of a did:webvh log entry: their types, their defaults, and what may follow what.

Decides which parameters are in force after an entry, given those before it, and which keys may sign the entry. It
knows no proofs and no hashes of entries.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from did_methods.codec import JsonValue, base58_decode, base58_encode
from did_methods.codec_errors import CodecError
from did_methods.errors import DidError
from did_methods.keys import parse_public_key
from did_methods.multihash import multihash_sha256
from did_methods.webvh_errors import WebvhError
from did_methods.webvh_witness import WitnessRule, parse_witness_rule

METHOD: Final = "did:webvh:1.0"
DEFAULT_TTL_S: Final = 3600
MAX_TTL_S: Final = 2**31
MAX_LIST_ITEMS: Final = 64
"""Keys or hashes in one list: each new key costs a point check, and a log leaf has room for fewer."""

HASH_CHARS: Final = 46  # of a SHA-256 multihash in base58btc
MAX_WATCHER_CHARS: Final = 2_048
# Any scheme, as the specification says; only shown, never followed.
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+", re.IGNORECASE)
_KNOWN: Final = frozenset(
    {"method", "scid", "updateKeys", "nextKeyHashes", "witness", "watchers", "portable", "deactivated", "ttl"}
)


class ParametersMalformedError(WebvhError):
    """``parameters`` is not an object."""

    code = "webvh_parameters_malformed"
    title = "Parameters of the entry are not a JSON object"


class ParameterUnknownError(WebvhError):
    """``parameters`` has a member that did:webvh 1.0 does not define."""

    code = "webvh_parameter_unknown"
    title = "Unknown did:webvh parameter"


class ParameterTypeError(WebvhError):
    """A parameter is not of its JSON type, or out of its range."""

    code = "webvh_parameter_type"
    title = "Parameter has the wrong type"


class ParameterMissingError(WebvhError):
    """The first entry lacks a parameter that it must have."""

    code = "webvh_parameter_missing"
    title = "Required parameter is missing in the first entry"


class ParameterLimitError(WebvhError):
    """A list has more items than this implementation accepts."""

    code = "webvh_parameter_limit"
    title = "Parameter list is too long"


class MethodUnsupportedError(WebvhError):
    """``method`` is not exactly the version supported here; it is never downgraded."""

    code = "webvh_method_unsupported"
    title = "Version of did:webvh is not supported"


class ScidRepeatedError(WebvhError):
    """``scid`` stands in an entry after the first."""

    code = "webvh_scid_repeated"
    title = "The SCID may only be stated in the first entry"


class KeyUnsupportedError(WebvhError):
    """An update key is not a valid Ed25519 Multikey."""

    code = "webvh_update_key_unsupported"
    title = "Update key is not an Ed25519 Multikey"


class ListItemRepeatedError(WebvhError):
    """A list names the same item twice."""

    code = "webvh_list_item_repeated"
    title = "Parameter list repeats an item"


class UpdateKeysEmptyError(WebvhError):
    """``updateKeys`` is empty in the first entry, so nobody signs it; later it freezes the DID, which is allowed."""

    code = "webvh_update_keys_empty"
    title = "Update keys may not be empty in the first entry"


class PortableLateError(WebvhError):
    """``portable`` is set to true after the first entry."""

    code = "webvh_portable_late"
    title = "Portability can only be switched on in the first entry"


class WatcherMalformedError(WebvhError):
    """A watcher is not an absolute URI of printable characters."""

    code = "webvh_watcher_malformed"
    title = "Watcher is not a URI"


class PreRotationIncompleteError(WebvhError):
    """Pre-rotation is active and the entry lacks ``updateKeys`` or ``nextKeyHashes``."""

    code = "webvh_pre_rotation_incomplete"
    title = "Pre-rotation needs both updateKeys and nextKeyHashes in every entry"


class KeyNotCommittedError(WebvhError):
    """Pre-rotation is active and an update key was not committed by the entry before."""

    code = "webvh_update_key_not_committed"
    title = "Update key was not committed by the previous entry"


@dataclass(frozen=True, slots=True)
class ParameterChanges:
    """What one entry states, typed; None where it states nothing (the value in force stays)."""

    method: str | None
    scid: str | None
    update_keys: tuple[str, ...] | None
    next_key_hashes: tuple[str, ...] | None
    portable: bool | None
    deactivated: bool | None
    ttl_s: int | None
    witness: WitnessRule | None
    witness_stated: bool
    watchers: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class WebvhParameters:
    """The parameters in force after an entry."""

    scid: str
    update_keys: tuple[str, ...]
    next_key_hashes: tuple[str, ...]
    portable: bool
    deactivated: bool
    ttl_s: int
    witness: WitnessRule | None = None
    watchers: tuple[str, ...] = ()


def hash_text(data: bytes) -> str:
    """Return the hash of data as did:webvh writes it: base58btc of the SHA-256 multihash, without multibase prefix.

    Args:
        data: the bytes to hash, canonical JSON or a Multikey text.

    Spec: did:webvh 1.0 Generate SCID
    """
    return base58_encode(multihash_sha256(data))


def next_key_hash(multikey: str) -> str:
    """Return the pre-rotation commitment to an update key, an item of ``nextKeyHashes``.

    Args:
        multikey: the future update key, a Multikey text.

    Spec: did:webvh 1.0 Pre-Rotation Key Hash Generation and Verification
    """
    return hash_text(multikey.encode("utf-8"))


def is_hash_of(text: str, data: bytes) -> bool:
    """Return whether text is ``hash_text(data)``; a text that is no hash at all is not.

    Args:
        text: what is claimed.
        data: the bytes to hash.

    Spec: did:webvh 1.0 Verify The Entry Hash
    """
    return _hash_bytes(text) == multihash_sha256(data)


def _hash_bytes(text: str) -> bytes | None:
    """Decode a claimed hash: no two texts of the alphabet are the same bytes, and encoding the true one costs double."""
    try:
        return base58_decode(text) if len(text) == HASH_CHARS else None
    except CodecError:
        return None


def parse_parameters(value: JsonValue) -> ParameterChanges:
    """Return the typed parameters of one entry; the deprecated ``null`` reads as the parameter's default.

    Raises:
        WebvhError: webvh_parameters_malformed, webvh_parameter_unknown, webvh_parameter_type, webvh_parameter_limit,
            webvh_list_item_repeated, webvh_update_key_unsupported, webvh_witness_rule_malformed,
            webvh_watcher_malformed.

    Spec: did:webvh 1.0 did:webvh DID Method Parameters
    """
    if not isinstance(value, dict):
        raise ParametersMalformedError
    if not _KNOWN.issuperset(value):
        raise ParameterUnknownError
    update_keys = _parse_list(value, "updateKeys")
    for key in update_keys or ():
        _check_update_key(key)
    watchers = _parse_list(value, "watchers")
    for uri in watchers or ():
        _check_watcher(uri)
    return ParameterChanges(
        method=_parse_text(value, "method"),
        scid=_parse_text(value, "scid"),
        update_keys=update_keys,
        next_key_hashes=_parse_list(value, "nextKeyHashes"),
        portable=_parse_flag(value, "portable"),
        deactivated=_parse_flag(value, "deactivated"),
        ttl_s=_parse_ttl(value),
        witness=parse_witness_rule(value.get("witness")),
        witness_stated="witness" in value,
        watchers=watchers,
    )


def derive_first_parameters(changes: ParameterChanges) -> WebvhParameters:
    """Return the parameters in force after the first entry.

    Raises:
        WebvhError: webvh_parameter_missing, webvh_method_unsupported, webvh_update_keys_empty.

    Spec: did:webvh 1.0 did:webvh DID Method Parameters
    """
    if changes.method is None or changes.scid is None or changes.update_keys is None:
        raise ParameterMissingError("the first entry needs method, scid and updateKeys")
    if changes.method != METHOD:
        raise MethodUnsupportedError
    if not changes.update_keys:
        raise UpdateKeysEmptyError("the first entry needs a key that signs it")
    return WebvhParameters(
        scid=changes.scid,
        update_keys=changes.update_keys,
        next_key_hashes=changes.next_key_hashes or (),
        portable=bool(changes.portable),
        deactivated=bool(changes.deactivated),
        ttl_s=DEFAULT_TTL_S if changes.ttl_s is None else changes.ttl_s,
        witness=changes.witness,
        watchers=changes.watchers or (),
    )


def derive_parameters(before: WebvhParameters, changes: ParameterChanges) -> WebvhParameters:
    """Return the parameters in force after an entry that is not the first.

    Raises:
        WebvhError: webvh_method_unsupported, webvh_scid_repeated, webvh_portable_late, webvh_pre_rotation_incomplete,
            webvh_update_key_not_committed.

    Spec: did:webvh 1.0 did:webvh DID Method Parameters
    """
    if changes.method not in {None, METHOD}:
        raise MethodUnsupportedError
    if changes.scid is not None:
        raise ScidRepeatedError
    if changes.portable:
        raise PortableLateError
    if before.next_key_hashes:
        _check_pre_rotation(before, changes)
    return WebvhParameters(
        scid=before.scid,
        update_keys=_kept(changes.update_keys, before.update_keys),
        next_key_hashes=_kept(changes.next_key_hashes, before.next_key_hashes),
        portable=before.portable if changes.portable is None else changes.portable,
        deactivated=bool(changes.deactivated),
        ttl_s=before.ttl_s if changes.ttl_s is None else changes.ttl_s,
        witness=changes.witness if changes.witness_stated else before.witness,
        watchers=_kept(changes.watchers, before.watchers),
    )


def required_witnesses(before: WebvhParameters | None, after: WebvhParameters) -> WitnessRule | None:
    """Return who must witness the entry that leads from before to after; None for nobody.

    The first entry's own rule, or the first rule after none, binds at once; a rule that replaces another, or ends it,
    takes effect after its entry, which the old witnesses approve.

    Spec: did:webvh 1.0 did:webvh DID Method Parameters (witness), Witness Lists
    """
    if before is not None and before.witness is not None:
        return before.witness
    return after.witness


def authorized_keys(before: WebvhParameters | None, after: WebvhParameters) -> tuple[str, ...]:
    """Return the update keys that may sign the entry that leads from before to after.

    Without pre-rotation the previous entry authorizes; with it the entry's own keys sign, which the previous entry
    committed to. The first entry signs itself, and its SCID binds the keys.

    Spec: did:webvh 1.0 Authorized Keys
    """
    if before is None or before.next_key_hashes:
        return after.update_keys
    return before.update_keys


def _check_pre_rotation(before: WebvhParameters, changes: ParameterChanges) -> None:
    """Check the whole list, not only new keys: inheritance would defeat the commitment."""
    if changes.update_keys is None or changes.next_key_hashes is None:
        raise PreRotationIncompleteError
    committed = {_hash_bytes(text) for text in before.next_key_hashes}
    if not all(multihash_sha256(key.encode("utf-8")) in committed for key in changes.update_keys):
        raise KeyNotCommittedError


def _check_watcher(uri: str) -> None:
    if len(uri) > MAX_WATCHER_CHARS or _URI.fullmatch(uri) is None:
        raise WatcherMalformedError


def _check_update_key(text: str) -> None:
    try:
        kind = parse_public_key(text).kind
    except DidError:
        raise KeyUnsupportedError from None
    if kind != "ed25519":
        raise KeyUnsupportedError


def _kept(stated: tuple[str, ...] | None, before: tuple[str, ...]) -> tuple[str, ...]:
    return before if stated is None else stated


def _parse_list(parameters: dict[str, JsonValue], name: str) -> tuple[str, ...] | None:
    if name not in parameters:
        return None
    value = parameters[name]
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ParameterTypeError(f"{name} is not a list", parameter=name)
    if len(value) > MAX_LIST_ITEMS:
        raise ParameterLimitError(parameter=name, limit=MAX_LIST_ITEMS)
    items = tuple(item for item in value if isinstance(item, str))
    if len(items) != len(value):
        raise ParameterTypeError(f"{name} has an item that is not a string", parameter=name)
    _check_distinct(items, name)
    return items


def _check_distinct(items: Sequence[str], name: str) -> None:
    if len(set(items)) != len(items):
        raise ListItemRepeatedError(parameter=name)


def _parse_text(parameters: dict[str, JsonValue], name: str) -> str | None:
    if name not in parameters:
        return None
    value = parameters[name]
    if not isinstance(value, str):  # no default, so the deprecated null has no meaning here
        raise ParameterTypeError(f"{name} is not a string", parameter=name)
    return value


def _parse_flag(parameters: dict[str, JsonValue], name: str) -> bool | None:
    if name not in parameters:
        return None
    value = parameters[name]
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ParameterTypeError(f"{name} is not true or false", parameter=name)
    return value


def _parse_ttl(parameters: dict[str, JsonValue]) -> int | None:
    if "ttl" not in parameters:
        return None
    value = parameters["ttl"]
    if value is None:
        return DEFAULT_TTL_S
    # bool is an int to Python, and 3600.0 is another text than 3600 before canonicalisation.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TTL_S:
        raise ParameterTypeError("ttl is not an integer from 0 to 2^31", parameter="ttl", limit=MAX_TTL_S)
    return value
