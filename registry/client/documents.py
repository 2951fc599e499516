"""Documents of an agent's own DID, changed: another signing key, another place, an instance more or less.

Pure: a state in, a document out. Who signs the entry, and whether the registry takes it, is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.keys import PublicKey
from did_methods.timestamp import format_timestamp, parse_timestamp
from did_methods.webvh import WebvhState, did_template, move_document
from registry.client.errors import InstanceNameError, RegistryUrlError

_INSTANCE: Final = "instance-"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RELATIONSHIPS: Final = (
    "authentication",
    "assertionMethod",
    "keyAgreement",
    "capabilityInvocation",
    "capabilityDelegation",
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of an agent.

    Attributes:
        name: slug.
        method_id: its verification method.
        speaks: whether it may issue statements, besides acting.
        expires_ms: when its key ends, milliseconds since the epoch; None for never.
    """

    name: str
    method_id: str
    speaks: bool
    expires_ms: int | None


def check_instance_name(name: str) -> str:
    """Return the name if an instance can have it.

    Raises:
        InstanceNameError: ``instance_name_invalid``.
    """
    if not _SLUG.fullmatch(name):
        raise InstanceNameError("a-z, 0-9 and hyphens, at most 40")
    return name


def with_signing_key(state: WebvhState, replaced: str, key: PublicKey) -> tuple[dict[str, Any], str]:
    """Return the document with one signing key replaced, and the id of the new one.

    The new key has a new id: an id stands for one key for ever, so nobody mistakes one for the other.

    Args:
        state: the newest.
        replaced: id of the verification method that goes.
        key: the new public key.
    """
    document = _copy(state)
    methods = document.get("verificationMethod", [])
    numbers = [int(found[1]) for one in methods if (found := re.search(r"#key-([0-9]{1,9})$", str(one.get("id"))))]
    method_id = f"{state.did}#key-{max(numbers, default=0) + 1}"
    fresh = {"id": method_id, "type": "Multikey", "controller": state.did, "publicKeyMultibase": key.multikey}
    document["verificationMethod"] = [fresh if _same(one.get("id"), replaced, state.did) else one for one in methods]
    if fresh not in document["verificationMethod"]:
        document["verificationMethod"].append(fresh)
    for name in _RELATIONSHIPS:
        if isinstance(document.get(name), list):
            document[name] = [method_id if _same(one, replaced, state.did) else one for one in document[name]]
    return document, method_id


def moved_document(state: WebvhState, url: str) -> dict[str, Any]:
    """Return the document at another place.

    Args:
        state: the newest.
        url: ``https://host[:port][/path…]``, where ``did.jsonl`` will lie.

    Raises:
        RegistryUrlError: ``registry_url_invalid``.
        DidError: what a place of a DID may not be.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise RegistryUrlError("a DID moves to https://host/path")
    path = [unquote(segment) for segment in parts.path.strip("/").split("/") if segment]
    template = did_template(parts.hostname, port=parts.port, path=path)
    return move_document(state, template.replace("{SCID}", state.scid))


def with_instance(
    state: WebvhState, name: str, key: PublicKey, *, speaks: bool, expires_ms: int | None
) -> dict[str, Any]:
    """Return the document with one more instance; arguments as in `Keeper.add_instance`.

    Raises:
        InstanceNameError: ``instance_name_invalid`` for one that is there.
    """
    document, method_id = _copy(state), f"{state.did}#{_INSTANCE}{name}"
    if any(one.name == name for one in instances_of(state)):
        raise InstanceNameError(f"{name} is there already")
    method = {"id": method_id, "type": "Multikey", "controller": state.did, "publicKeyMultibase": key.multikey}
    if expires_ms is not None:
        method["expires"] = format_timestamp(expires_ms)
    document["verificationMethod"] = [*document.get("verificationMethod", []), method]
    for purpose in ("authentication", "assertionMethod") if speaks else ("authentication",):
        document[purpose] = [*document.get(purpose, []), method_id]
    return document


def without_instance(state: WebvhState, name: str) -> dict[str, Any]:
    """Return the document without an instance.

    Raises:
        InstanceNameError: ``instance_name_invalid`` for one that is not there.
    """
    if all(one.name != name for one in instances_of(state)):
        raise InstanceNameError(f"there is no {name}")
    document, method_id = _copy(state), f"{state.did}#{_INSTANCE}{name}"
    methods = document["verificationMethod"]
    document["verificationMethod"] = [one for one in methods if not _same(one.get("id"), method_id, state.did)]
    for purpose in _RELATIONSHIPS:
        if isinstance(document.get(purpose), list):
            document[purpose] = [one for one in document[purpose] if not _same(one, method_id, state.did)]
    return document


def instances_of(state: WebvhState) -> list[Instance]:
    """Return the instances that a document names, in its order."""
    document = state.document
    speaking = document.relationships.get("assertionMethod", ())
    raw = {_absolute(one.get("id"), state.did): one for one in state.raw_document.get("verificationMethod", [])}
    found = []
    for method in document.methods:
        fragment = method.id.partition("#")[2]
        if fragment.startswith(_INSTANCE):
            expires = raw.get(method.id, {}).get("expires")
            found.append(
                Instance(
                    fragment.removeprefix(_INSTANCE),
                    method.id,
                    method.id in speaking,
                    None if expires is None else parse_timestamp(expires),
                )
            )
    return found


def _copy(state: WebvhState) -> dict[str, Any]:
    return parse_json_object(canonicalize(state.raw_document))


def _same(found: Any, method_id: str, did: str) -> bool:
    return _absolute(found, did) == method_id


def _absolute(found: Any, did: str) -> str:
    text = found if isinstance(found, str) else ""
    return did + text if text.startswith("#") else text
