"""The identities of a replay: one did:key per member, all derived from one secret seed, and what they sign.

Member keys exist only to replay a history whose people never had keys; they live in a file that the user names. The
file is JSON lines: the first holds the format and the seed, each further one a member and its DID, so that people and
programs can look members up. Whoever has the seed is every member.

Signing writes the canonical bytes directly, because a replay signs tens of thousands of statements of two shapes; tests
hold the bytes equal to those of `issue_vouch`, `issue_report` and `sign_presentation`.

Spec: specs/replay.md "Keys"
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from did_methods.canonical import canonicalize
from did_methods.codec import base58_encode, base64url_decode, base64url_encode, parse_json_object
from did_methods.errors import BonafidesError
from did_methods.keys import SEED_BYTES, SigningKey
from did_methods.timestamp import format_timestamp
from registry.client.ratings import STRENGTH_PER_POINT, RegistrationStep, SignedStep
from registry.credentials.kinds import CONTEXTS, KINDS_BY_NAME
from registry.durable_file import write_durably
from registry.errors import ConflictError, DependencyError, ParseError

FORMAT: Final = "bonafides/member-keys/1"
_KEY_PERSON: Final = b"bonafides/member"
_UUID_PERSON: Final = b"bonafides/rating"
_LINE_BYTES: Final = 4_096


class MemberKeysFormatError(ParseError):
    """The file is not a file of member keys of this version."""

    code = "member_keys_malformed"
    title = "Not a file of member keys"


class MemberKeysMismatchError(ConflictError):
    """A member's DID in the file does not follow from the file's seed."""

    code = "member_keys_mismatch"
    title = "The file of member keys contradicts itself"


class MemberKeysUnreadableError(DependencyError):
    """The file cannot be read or written, or others than its owner can read it."""

    code = "member_keys_unreadable"
    title = "The file of member keys cannot be used"


@dataclass(frozen=True, slots=True)
class SignedLine:
    """One line of a batch.

    Attributes:
        event_id: 32 bytes.
        data: the signed document's canonical bytes.
        time_ms: its proof's ``created``.
        line: of the ratings file; 0 for a registration.
    """

    event_id: bytes
    data: bytes
    time_ms: int
    line: int


class Members:
    """Every member's key, made from the seed when it is first needed.

    Args:
        seed: 32 secret bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._keys: dict[str, tuple[SigningKey, str]] = {}

    def __repr__(self) -> str:
        return f"Members({len(self._keys)} keys made)"

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes, for storing them."""
        return self._seed

    def _key(self, member: str) -> tuple[SigningKey, str]:
        known = self._keys.get(member)
        if known is None:
            seed = blake2b(member.encode(), key=self._seed, person=_KEY_PERSON, digest_size=SEED_BYTES).digest()
            key = SigningKey(seed)
            known = self._keys[member] = (key, key.public_key.multikey)
        return known

    def did(self, member: str) -> str:
        """Return a member's DID."""
        return f"did:key:{self._key(member)[1]}"

    def uuid(self, *parts: str | int) -> str:
        """Return a version 4 UUID whose 122 bits follow from the seed and the parts.

        The seed is secret, so to everybody else the bits are random, as the format asks; to its owner they say that
        the same row gives the same document.
        """
        text = canonicalize(list(parts))
        digest = blake2b(text, key=self._seed, person=_UUID_PERSON, digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    def event_id(self, step: SignedStep) -> bytes:
        """Return the 32 bytes that name a step's statement, without signing it."""
        head, tail = self._document(step)
        return sha256(head + tail).digest()

    def sign(self, step: SignedStep, *, domain: str) -> SignedLine:
        """Sign a step's statement at the step's own time.

        Args:
            step: a registration or a rating.
            domain: the log's origin.
        """
        head, tail = self._document(step)
        key, multikey = self._key(step.member if isinstance(step, RegistrationStep) else step.source)
        options_head, options_tail = _proof(step, domain, multikey)
        digest = sha256(head + tail).digest()
        signature = base58_encode(key.sign(sha256(options_head + options_tail).digest() + digest))
        proof = b'"proof":%b"proofValue":"z%b",%b,' % (options_head, signature.encode(), options_tail)
        line = 0 if isinstance(step, RegistrationStep) else step.line
        return SignedLine(digest, head + proof + tail, step.time_ms, line)

    def _document(self, step: SignedStep) -> tuple[bytes, bytes]:
        """Return the canonical document without proof, cut where the proof belongs."""
        if isinstance(step, RegistrationStep):
            return b'{"@context":%b,"holder":"%b",' % (_CONTEXT, self.did(step.member).encode()), _PRESENTATION_TAIL
        identifier = self.uuid(step.source, step.target, step.value, step.time_ms, step.occurrence)
        member = "strength" if step.value > 0 else "severity"
        strength = abs(step.value) * STRENGTH_PER_POINT
        head = (
            f'"credentialSubject":{{"id":"{self.did(step.target)}","{member}":{strength}}},'
            f'"id":"urn:uuid:{identifier}","issuer":"{self.did(step.source)}",'
        )
        tail = f'"type":["VerifiableCredential","{_TYPES[step.kind]}"],"validFrom":"{format_timestamp(step.time_ms)}"}}'
        return b'{"@context":%b,%b' % (_CONTEXT, head.encode()), tail.encode()


_CONTEXT: Final = canonicalize(list(CONTEXTS))
_PRESENTATION_TAIL: Final = b'"type":["VerifiablePresentation"]}'
_TYPES: Final = {name: KINDS_BY_NAME[name].type for name in ("vouch", "report")}


def _proof(step: SignedStep, domain: str, multikey: str) -> tuple[bytes, bytes]:
    """Return the canonical proof options, cut where ``proofValue`` belongs."""
    purpose = "authentication" if isinstance(step, RegistrationStep) else "assertionMethod"
    head = (
        f'"created":"{format_timestamp(step.time_ms)}","cryptosuite":"eddsa-jcs-2022",'
        f'"domain":{canonicalize(domain).decode()},"proofPurpose":"{purpose}",'
    )
    tail = f'"type":"DataIntegrityProof","verificationMethod":"did:key:{multikey}#{multikey}"}}'
    return b'{"@context":%b,%b' % (_CONTEXT, head.encode()), tail.encode()


# ---------------------------------------------------------------- the file


def parse_member_keys(data: bytes) -> tuple[Members, dict[str, str]]:
    """Parse the content of a file of member keys: the keys, and the members it lists with their DIDs.

    Raises:
        MemberKeysFormatError: member_keys_malformed.
        MemberKeysMismatchError: member_keys_mismatch, for the first or last member listed.
    """
    first, *rest = data.splitlines() or [b""]
    try:
        header = parse_json_object(first, max_bytes=_LINE_BYTES)
        seed = base64url_decode(str(header.get("seed", "")))
        listed = [parse_json_object(line, max_bytes=_LINE_BYTES) for line in rest if line]
    except BonafidesError:
        raise MemberKeysFormatError from None
    if header.get("format") != FORMAT or len(seed) != SEED_BYTES:
        raise MemberKeysFormatError
    if any(type(one.get(name)) is not str for one in listed for name in ("member", "did")):
        raise MemberKeysFormatError
    members = Members(seed)
    known = {one["member"]: one["did"] for one in listed}
    for member in (*list(known)[:1], *list(known)[-1:]):
        if members.did(member) != known[member]:
            raise MemberKeysMismatchError
    return members, known


def encode_member_keys(members: Members, listed: Iterable[str]) -> bytes:
    """Encode a file of member keys that lists these members."""
    lines = [canonicalize({"format": FORMAT, "seed": base64url_encode(members.seed)})]
    lines.extend(canonicalize({"did": members.did(member), "member": member}) for member in listed)
    return b"\n".join(lines) + b"\n"


def load_member_keys(path: Path) -> tuple[Members, dict[str, str]]:
    """Read a file of member keys.

    Raises:
        MemberKeysUnreadableError: member_keys_unreadable, also when others than its owner can read it.
        MemberKeysFormatError: member_keys_malformed.
        MemberKeysMismatchError: member_keys_mismatch.
    """
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise MemberKeysUnreadableError(f"{path.name}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MemberKeysUnreadableError(f"{path.name} is readable by others (chmod 600 it)")
    return parse_member_keys(data)


def save_member_keys(path: Path, members: Members, listed: Iterable[str]) -> None:
    """Write a file of member keys with mode 0600, durably and in one step.

    Raises:
        MemberKeysUnreadableError: member_keys_unreadable.
    """
    try:
        write_durably(path, encode_member_keys(members, listed))
    except OSError as error:
        raise MemberKeysUnreadableError(f"{path.name}: {error.strerror}") from error
