"""Keys of the registry's issuers at rest, and key files that hold a key on a NIST curve."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.errors import BonafidesError
from registry.adapters.identity import make_key_identity
from registry.adapters.issuer_keys import load_issuer_keys, make_curve_identity
from registry.adapters.key_file import encode_key_ring, parse_key_ring

KINDS: dict[str, Any] = {"one": "ed25519", "two": "p256", "three": "p384"}


def test_issuers_are_made_once(tmp_path: Path) -> None:
    """Each gets a key of its kind at the first load, readable by its owner alone, and keeps it."""
    first = load_issuer_keys(tmp_path, KINDS)
    again = load_issuer_keys(tmp_path, KINDS)
    assert {name: ring.did for name, ring in again.items()} == {name: ring.did for name, ring in first.items()}
    assert len({ring.did for ring in first.values()}) == len(KINDS)
    for name, kind in KINDS.items():
        path = tmp_path / "issuers" / f"{name}.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert first[name].signer.signing_key.public_key.kind == kind
        assert first[name].did == f"did:key:{first[name].signer.signing_key.public_key.multikey}"


@pytest.mark.parametrize("passphrase", [None, "open sesame, please"])
@pytest.mark.parametrize("kind", ["p256", "p384"])
def test_a_key_on_a_curve_is_kept(kind: Any, passphrase: str | None) -> None:
    """Written and read again it is the same key, open or sealed; its secret shows in no text of it."""
    ring = make_curve_identity(kind, random_bytes=bytes(range(1, 145)))
    data = encode_key_ring(ring, passphrase=passphrase)
    assert parse_json_object(data)["format"] == "bonafides/keys/3"
    back = parse_key_ring(data, passphrase=None if passphrase is None else lambda: passphrase)
    assert back.signer.sign(b"x") == ring.signer.sign(b"x")
    back.signer.signing_key.public_key.verify(back.signer.sign(b"x"), b"x")
    assert ring.curve_keys["signing"].secret.hex() not in repr(ring)


def test_a_file_of_plain_keys_is_as_it_was() -> None:
    """Nothing changes for Ed25519: the format is the one that older versions read."""
    data = encode_key_ring(make_key_identity(b"\x01" * 32))
    assert parse_json_object(data)["format"] == "bonafides/keys/2"


def test_random_bytes_that_are_no_key_are_passed_over() -> None:
    """A number beyond the order of the group is not taken modulo it; the next part is tried."""
    beyond, good = b"\xff" * 32, b"\x03" * 32
    assert make_curve_identity("p256", random_bytes=beyond + good).curve_keys["signing"].secret == good
    with pytest.raises(BonafidesError):
        make_curve_identity("p256", random_bytes=beyond + beyond)


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "p256"},
        {"kind": "p521", "secret": "AQ"},
        {"kind": "p256", "secret": "AQ"},
        {"kind": "p256", "secret": 1},
        {"kind": "p256", "secret": "AQ", "more": 1},
        {"kind": "ed25519", "secret": "AQ"},
        [],
        None,
    ],
)
def test_what_is_no_key(value: Any) -> None:
    """Another value than a kind and its secret is refused as a malformed file."""
    ring = make_curve_identity("p256", random_bytes=b"\x05" * 64)
    document = parse_json_object(encode_key_ring(ring))
    document["keys"] = {"signing": value}
    with pytest.raises(BonafidesError) as refused:
        parse_key_ring(canonicalize(document))
    assert refused.value.code == "key_file_malformed"


def test_an_older_format_holds_no_curves() -> None:
    """A file that says format 2 has Ed25519 seeds only."""
    document = parse_json_object(encode_key_ring(make_curve_identity("p256", random_bytes=b"\x05" * 64)))
    with pytest.raises(BonafidesError) as refused:
        parse_key_ring(canonicalize(document | {"format": "bonafides/keys/2"}))
    assert refused.value.code == "key_file_malformed"
