"""Cosignatures of type 06 and @noble/post-quantum for Node.js: the same keys from the same seeds, each verifies the other's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from did_methods.ml_dsa import MlDsaSigningKey
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import CosignatureInvalidError, Cosigner, cosign, verify_cosignature
from registry.log.note import NoteSignature
from tests.partners.partner import Partner

pytestmark = [pytest.mark.full, pytest.mark.oracle]

HEAD = Checkpoint("log.example/1", 20_852_163, bytes(range(32)))
TIME_S = 1_795_165_200
TIME_BYTES = 8
# The bytes that C2SP writes down, put together here and not by the code under test.
MESSAGE = (
    b"subtree/v1\n\x00"
    b"\x12witness.example/w2"
    + TIME_S.to_bytes(8, "big")
    + b"\x0dlog.example/1"
    + bytes(8)
    + HEAD.size.to_bytes(8, "big")
    + HEAD.root_hash
)


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    """Give the other implementation, started once."""
    with Partner() as running:
        yield running


@pytest.mark.parametrize("first", [0, 1, 200])
def test_cosignatures_are_verified_both_ways(partner: Partner, first: int) -> None:
    """Ours verifies there and theirs here, over the bytes of the specification; neither over an altered message."""
    seed = bytes((first + place) % 256 for place in range(32))
    cosigner = Cosigner("witness.example/w2", MlDsaSigningKey(seed))
    line = cosign(HEAD, cosigner, time_s=TIME_S)
    public_key = cosigner.key.verifier_key.raw
    asked = {"seed": seed.hex(), "message": MESSAGE.hex(), "publicKey": public_key.hex()}
    theirs = partner.ask("ml-dsa-44", **asked, signature=line.signature[TIME_BYTES:].hex())
    assert theirs["publicKey"] == public_key.hex()
    assert theirs["verified"] is True
    made = bytes.fromhex(theirs["signature"])
    verify_cosignature(NoteSignature(line.name, line.key_id, line.signature[:TIME_BYTES] + made), HEAD, cosigner.key)
    altered = (MESSAGE[:-1] + bytes([MESSAGE[-1] ^ 1])).hex()
    asked["message"] = altered
    other = partner.ask("ml-dsa-44", **asked, signature=line.signature[TIME_BYTES:].hex())
    assert other["verified"] is False
    wrong = NoteSignature(line.name, line.key_id, line.signature[:TIME_BYTES] + bytes.fromhex(other["signature"]))
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(wrong, HEAD, cosigner.key)
