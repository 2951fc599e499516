"""Cosignatures: a witness says when it saw which tree, and that the tree grew consistently until then.

Decides whether a signature line is the cosignature of a known key over a checkpoint, and at what time it was made.
Whether a checkpoint may be cosigned is decided in ``witness.py``, and how many cosignatures are enough in
``witness_policy.py``. The two types are rows of one table; a log's own post-quantum signature is a type 06 cosignature
under the log's name.

Spec: c2sp.org/tlog-cosignature@v1.1.0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from did_methods.errors import DidError
from did_methods.keys import PublicKey, SignatureInvalidError, SigningKey
from did_methods.ml_dsa import MlDsaPublicKey, MlDsaSigningKey
from registry.errors import ParseError, VerificationError
from registry.log.checkpoint import Checkpoint
from registry.log.note import NoteKeyAmbiguousError, NoteSignature
from registry.log.verifier_key import (
    SIGNATURE_TYPE_ED25519_COSIGNATURE,
    SIGNATURE_TYPE_ML_DSA_44_COSIGNATURE,
    NoteKeyError,
    VerifierKey,
    parse_verifier_key,
)

MAX_COSIGNER_NAME_BYTES: Final = 255
"""Longest cosigner name, bytes of UTF-8: signed messages of type 06 hold its length in one byte."""

MAX_TIME_S: Final = (1 << 63) - 1
"""Latest time of a cosignature, POSIX seconds."""

_TIME_BYTES = 8
_SUBTREE_LABEL = b"subtree/v1\n\0"


class CosignatureInvalidError(VerificationError):
    """A signature line names a known cosigner, but is not its cosignature of this checkpoint."""

    code = "cosignature_invalid"
    title = "Cosignature does not verify"


class CosignatureTimeError(ParseError):
    """The time cannot stand in a cosignature."""

    code = "cosignature_time_invalid"
    title = "Invalid cosignature time"


@dataclass(frozen=True, slots=True)
class CosignatureType:
    """One signature type.

    Attributes:
        signature_bytes: length of the signature without its time.
        make_key: the checked public key out of its bytes.
        message: what is signed, of the cosigner's name, the time and the checkpoint.
    """

    signature_bytes: int
    make_key: Callable[[bytes], PublicKey | MlDsaPublicKey]
    message: Callable[[str, int, Checkpoint], bytes]


def _ed25519_message(_name: str, time_s: int, checkpoint: Checkpoint) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{checkpoint.to_text()}".encode()


def _checkpoint_message(name: str, time_s: int, checkpoint: Checkpoint) -> bytes:
    head = checkpoint
    return subtree_message(name, time_s, head.origin, start=0, end=head.size, root_hash=head.root_hash)


def subtree_message(name: str, time_s: int, origin: str, *, start: int, end: int, root_hash: bytes) -> bytes:
    """Write what a cosignature of type 06 signs.

    Args:
        name: of the cosigner, 1 to 255 bytes.
        time_s: POSIX seconds; 0 where the cosigner does not say that it knows no larger tree.
        origin: of the log, 1 to 255 bytes.
        start: first leaf of the subtree; 0 for a checkpoint.
        end: the leaf after its last; the size, for a checkpoint.
        root_hash: 32 bytes.

    Spec: c2sp.org/tlog-cosignature, ML-DSA-44 signed message
    """
    cosigner, log = name.encode(), origin.encode()
    return b"".join(
        (
            _SUBTREE_LABEL,
            bytes([len(cosigner)]),
            cosigner,
            time_s.to_bytes(8, "big"),
            bytes([len(log)]),
            log,
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root_hash,
        )
    )


def _ed25519_key(raw: bytes) -> PublicKey:
    return PublicKey("ed25519", raw)


COSIGNATURE_TYPES: Final[Mapping[int, CosignatureType]] = MappingProxyType(
    {
        SIGNATURE_TYPE_ED25519_COSIGNATURE: CosignatureType(64, _ed25519_key, _ed25519_message),
        SIGNATURE_TYPE_ML_DSA_44_COSIGNATURE: CosignatureType(2_420, MlDsaPublicKey, _checkpoint_message),
    }
)
_TYPE_OF_KIND: Final[Mapping[str, int]] = {
    "ed25519": SIGNATURE_TYPE_ED25519_COSIGNATURE,
    "ml-dsa-44": SIGNATURE_TYPE_ML_DSA_44_COSIGNATURE,
}


@dataclass(frozen=True, slots=True)
class CosignatureKey:
    """A key that cosigns checkpoints under a name.

    Args:
        name: as in verifier keys, at most 255 bytes.
        public_key: Ed25519 (type 04) or ML-DSA-44 (type 06).

    Raises:
        NoteKeyError: note_key_malformed.

    Spec: c2sp.org/tlog-cosignature, Format
    """

    name: str
    public_key: PublicKey | MlDsaPublicKey
    verifier_key: VerifierKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        signature_type = _TYPE_OF_KIND.get(self.public_key.kind)
        if signature_type is None:
            raise NoteKeyError("checkpoints are cosigned by Ed25519 and ML-DSA-44 keys")
        object.__setattr__(self, "verifier_key", VerifierKey(self.name, signature_type, self.public_key.raw))
        if len(self.name.encode("utf-8")) > MAX_COSIGNER_NAME_BYTES:
            raise NoteKeyError("a cosigner's name has at most 255 bytes")

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in its signature lines."""
        return self.verifier_key.key_id

    def to_text(self) -> str:
        """Write the verifier key.

        Spec: c2sp.org/signed-note, Verifier keys
        """
        return self.verifier_key.to_text()


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A signing key under the name whose cosignatures it makes.

    Args:
        name: as in `CosignatureKey`.
        signing_key: serves cosignatures of one name only: type 04 does not sign the name.
    """

    name: str
    signing_key: SigningKey | MlDsaSigningKey

    @property
    def key(self) -> CosignatureKey:
        """The key that verifies what this cosigner signs."""
        return CosignatureKey(self.name, self.signing_key.public_key)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """What a known key has cosigned.

    Attributes:
        key: whose it is.
        time_s: when, POSIX seconds: then, no larger consistent tree of this log was known to the cosigner.
        line: the signature line, to be kept beside the checkpoint.
    """

    key: CosignatureKey
    time_s: int
    line: NoteSignature


def parse_cosignature_key(text: str) -> CosignatureKey:
    """Parse a verifier key of type 04 or 06.

    Raises:
        NoteKeyError: note_key_malformed.
        NoteKeyTypeError: note_key_type_unsupported.

    Spec: c2sp.org/tlog-cosignature, Format
    """
    parsed = parse_verifier_key(text, types=COSIGNATURE_TYPES)
    try:
        return CosignatureKey(parsed.name, COSIGNATURE_TYPES[parsed.signature_type].make_key(parsed.raw))
    except DidError:
        raise NoteKeyError("the verifier key does not hold a key of its type") from None


def cosign(checkpoint: Checkpoint, cosigner: Cosigner, *, time_s: int) -> NoteSignature:
    """Make a cosignature.

    Args:
        checkpoint: the largest of its log that the cosigner knows, consistent with all before; the caller made sure.
        cosigner: who signs.
        time_s: now, POSIX seconds, above 0.

    Raises:
        CosignatureTimeError: cosignature_time_invalid.

    Spec: c2sp.org/tlog-cosignature, Format
    """
    if not 0 < time_s <= MAX_TIME_S:
        raise CosignatureTimeError("a cosignature's time lies between 1 and 2^63-1 seconds")
    key = cosigner.key
    message = COSIGNATURE_TYPES[key.verifier_key.signature_type].message(cosigner.name, time_s, checkpoint)
    signature = time_s.to_bytes(_TIME_BYTES, "big") + cosigner.signing_key.sign(message)
    return NoteSignature(cosigner.name, key.key_id, signature)


def verify_cosignature(line: NoteSignature, checkpoint: Checkpoint, key: CosignatureKey) -> Cosignature:
    """Verify that a line is this key's cosignature of this checkpoint; whether its time is near the caller decides.

    Raises:
        CosignatureInvalidError: cosignature_invalid.

    Spec: c2sp.org/tlog-cosignature, Format
    """
    kind = COSIGNATURE_TYPES[key.verifier_key.signature_type]
    time_s = line_time_s(line)
    signature = line.signature[_TIME_BYTES:]
    if (line.name, line.key_id) != (key.name, key.key_id) or len(signature) != kind.signature_bytes:
        raise CosignatureInvalidError("the line is not one of this key")
    # Type 06 lets time 0 stand for "not the largest tree known", which is no witness's word here.
    if not 0 < time_s <= MAX_TIME_S:
        raise CosignatureInvalidError("the line has no time that can be")
    try:
        key.public_key.verify(signature, kind.message(key.name, time_s, checkpoint))
    except SignatureInvalidError:
        raise CosignatureInvalidError("a known key did not cosign this checkpoint") from None
    return Cosignature(key, time_s, line)


def verify_cosignatures(
    lines: Sequence[NoteSignature], checkpoint: Checkpoint, keys: Sequence[CosignatureKey]
) -> tuple[Cosignature, ...]:
    """Verify the lines of known cosigners among a note's signatures; lines of unknown keys are ignored.

    Args:
        lines: of the note.
        checkpoint: the note's text.
        keys: that the caller trusts.

    Returns:
        One cosignature a key, its newest, in the order of the keys.

    Raises:
        NoteKeyAmbiguousError: note_key_ambiguous.
        CosignatureInvalidError: cosignature_invalid, one false line of a known key condemns them all.

    Spec: c2sp.org/signed-note, Signatures
    """
    known: dict[tuple[str, bytes], CosignatureKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteKeyAmbiguousError("two trusted keys have one name and key id")
    newest: dict[CosignatureKey, Cosignature] = {}
    for line in dict.fromkeys(lines):
        signer = known.get((line.name, line.key_id))
        if signer is None:
            continue
        found = verify_cosignature(line, checkpoint, signer)
        if signer not in newest or newest[signer].time_s < found.time_s:
            newest[signer] = found
    return tuple(newest[key] for key in known.values() if key in newest)


def line_time_s(line: NoteSignature) -> int:
    """Return the time that a cosignature's line claims, POSIX seconds; nothing is verified."""
    return int.from_bytes(line.signature[:_TIME_BYTES], "big")


def append_lines(note: bytes, lines: Sequence[NoteSignature]) -> bytes:
    """Return a note with more signature lines at its end; lines that it has already are not repeated.

    Args:
        note: a whole signed note.
        lines: to add, in this order.
    """
    held = set(note.rpartition(b"\n\n")[2].splitlines(keepends=True))
    added = dict.fromkeys(line.to_line().encode("utf-8") for line in lines)
    return note + b"".join(line for line in added if line not in held)
