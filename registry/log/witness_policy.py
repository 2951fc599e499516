"""Witness policies: which logs and witnesses are known, and which cosignatures are enough.

Decides whether a policy file is one, and whether a set of witnesses is a quorum. One file serves the log that asks
witnesses, and everybody who verifies offline.

Spec: c2sp.org/tlog-policy
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from registry.errors import LimitError, ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, parse_checkpoint, verify_checkpoint
from registry.log.cosignature import Cosignature, CosignatureKey, parse_cosignature_key, verify_cosignatures
from registry.log.note import NoteKey, NoteUnverifiedError, parse_note, parse_note_key

MAX_POLICY_BYTES: Final = 65_536
"""Longest policy file, bytes."""

MAX_POLICY_ENTRIES: Final = 64
"""Most logs, most witnesses and most groups of a policy; C2SP asks for 32 of each at least."""

NONE: Final = "none"

_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_LINE_PARTS: Final[Mapping[str, tuple[int, int]]] = {
    "log": (2, 3),
    "witness": (3, 4),
    "group": (4, MAX_POLICY_ENTRIES * 2 + 3),
    "quorum": (2, 2),
}


class PolicyFileError(ParseError):
    """The bytes are not a witness policy; the detail names the line."""

    code = "witness_policy_malformed"
    title = "Malformed witness policy"


class PolicyFileTooLargeError(LimitError):
    """The policy is longer, or has more logs, witnesses or groups, than is looked at."""

    code = "witness_policy_too_large"
    title = "Witness policy too large"


class QuorumMissingError(VerificationError):
    """The checkpoint is signed by its log, but the witnesses that cosigned it are not a quorum."""

    code = "witness_quorum_missing"
    title = "Not cosigned by a quorum of witnesses"


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log of a policy; its key's name is its origin. The URL is None where the file names none."""

    key: NoteKey
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness of a policy; the name means something inside the policy only."""

    name: str
    key: CosignatureKey
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group: satisfied when at least ``threshold`` of its members are."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """A policy that was parsed: every name in it is defined before it is used, and is a member once.

    Attributes:
        logs, witnesses, groups: in the order of the file.
        quorum: name of a witness or group, or ``none``.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str

    @property
    def is_open(self) -> bool:
        """Whether no cosignature is asked for."""
        return self.quorum == NONE

    def has_quorum(self, witnesses: Collection[str]) -> bool:
        """Say whether these witnesses, by their names in the policy, are a quorum.

        Spec: c2sp.org/tlog-policy, Defining the quorum
        """
        if self.is_open:
            return True
        satisfied = {one.name for one in self.witnesses if one.name in witnesses}
        for group in self.groups:
            if sum(member in satisfied for member in group.members) >= group.threshold:
                satisfied.add(group.name)
        return self.quorum in satisfied

    def signed_by(self, cosignatures: Collection[Cosignature]) -> frozenset[str]:
        """Return the names of the witnesses whose cosignatures these are; each counts once, however often it signed."""
        keys = {one.key for one in cosignatures}
        return frozenset(one.name for one in self.witnesses if one.key in keys)


@dataclass(frozen=True, slots=True)
class WitnessedCheckpoint:
    """A checkpoint that a known log has signed and a quorum has cosigned.

    Attributes:
        checkpoint: verified.
        cosignatures: of the policy's witnesses.
    """

    checkpoint: VerifiedCheckpoint
    cosignatures: tuple[Cosignature, ...]


@dataclass(slots=True)
class _Draft:
    """A policy while its lines are read."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)

    def add_key(self, raw: bytes) -> None:
        """Refuse a public key that stands in the file already, under whatever name and type.

        Logs and witnesses are in one set: a key serves one purpose.
        """
        if raw in self.keys:
            raise PolicyFileError("a key stands in the policy twice")
        self.keys.add(raw)

    def add_name(self, name: str) -> None:
        if name in self.names or name == NONE:
            raise PolicyFileError("a name is defined twice, or is none")
        self.names.add(name)


def parse_policy(data: bytes) -> WitnessPolicy:
    """Parse a policy file.

    Args:
        data: lines that end in newlines; octets above 0x7e are kept as they are and mean nothing.

    Raises:
        PolicyFileTooLargeError: witness_policy_too_large.
        PolicyFileError: witness_policy_malformed.
        ParseError: note_key_malformed, note_key_type_unsupported.

    Spec: c2sp.org/tlog-policy, Policy file syntax and structure
    """
    if len(data) > MAX_POLICY_BYTES:
        raise PolicyFileTooLargeError("a policy has up to 65,536 bytes", limit=MAX_POLICY_BYTES)
    if not _ALLOWED.fullmatch(data) or not data.endswith(b"\n"):
        raise PolicyFileError("a policy is lines that end in newlines, without other control characters than tabs")
    draft = _Draft()
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n")[:-1], 1):
        parts = [part for part in re.split(r"[ \t]+", line) if part]
        if not parts or parts[0].startswith("#"):
            continue
        try:
            _take_line(draft, parts)
        except PolicyFileError as error:
            raise PolicyFileError(f"line {number}: {error.detail}", line=number) from None
    if draft.quorum is None:
        raise PolicyFileError("a policy has exactly one quorum line")
    return WitnessPolicy(tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups), draft.quorum)


def verify_witnessed(data: bytes, policy: WitnessPolicy) -> WitnessedCheckpoint:
    """Verify that a checkpoint is signed by a log of the policy and cosigned by its quorum.

    Args:
        data: the whole note.
        policy: with at least the log that is asked about.

    Raises:
        ParseError: note_malformed, checkpoint_malformed.
        VerificationError: every code of `verify_checkpoint`, cosignature_invalid, witness_quorum_missing.

    Spec: c2sp.org/tlog-policy, What is a "policy"?
    """
    note = parse_note(data)
    origin = parse_checkpoint(note.text).origin
    # While a log changes its key, the policy names both, and either is enough.
    signers = {(line.name, line.key_id) for line in note.signatures}
    logs = [one for one in policy.logs if one.key.name == origin]
    log = next((one for one in logs if (origin, one.key.key_id) in signers), None)
    if log is None:
        raise NoteUnverifiedError("no log of the policy has signed this checkpoint")
    verified = verify_checkpoint(data, origin=origin, key=log.key)
    keys = [one.key for one in policy.witnesses]
    cosignatures = verify_cosignatures(note.signatures, verified.checkpoint, keys)
    if not policy.has_quorum(policy.signed_by(cosignatures)):
        raise QuorumMissingError(signed=len(cosignatures))
    return WitnessedCheckpoint(verified, cosignatures)


def _take_line(draft: _Draft, parts: Sequence[str]) -> None:
    least, most = _LINE_PARTS.get(parts[0], (0, 0))
    if not least <= len(parts) <= most:
        raise PolicyFileError("a line begins with log, witness, group or quorum and has the parts of its kind")
    _TAKERS[parts[0]](draft, parts)
    if max(len(draft.logs), len(draft.witnesses), len(draft.groups)) > MAX_POLICY_ENTRIES:
        raise PolicyFileTooLargeError("a policy has up to 64 logs, witnesses and groups", limit=MAX_POLICY_ENTRIES)


def _take_log(draft: _Draft, parts: Sequence[str]) -> None:
    key = parse_note_key(parts[1])
    draft.add_key(key.public_key.raw)
    draft.logs.append(PolicyLog(key, parts[2] if len(parts) > 2 else None))  # noqa: PLR2004 - the optional URL


def _take_witness(draft: _Draft, parts: Sequence[str]) -> None:
    key = parse_cosignature_key(parts[2])
    draft.add_name(parts[1])
    draft.add_key(key.public_key.raw)
    draft.witnesses.append(PolicyWitness(parts[1], key, parts[3] if len(parts) > 3 else None))  # noqa: PLR2004 - URL


def _take_group(draft: _Draft, parts: Sequence[str]) -> None:
    _, name, rule, *members = parts
    for member in members:
        if member not in draft.names or member in draft.members:
            raise PolicyFileError("a member is defined on a line before, and is a member once")
        draft.members.add(member)
    count = len(members)
    if rule in ("any", "all"):
        threshold = 1 if rule == "any" else count
    else:
        threshold = int(rule) if _NUMBER.fullmatch(rule) else 0
    if not 1 <= threshold <= count:
        raise PolicyFileError("a threshold is any, all, or a number from 1 to that of the members")
    draft.add_name(name)
    draft.groups.append(PolicyGroup(name, threshold, tuple(members)))


def _take_quorum(draft: _Draft, parts: Sequence[str]) -> None:
    if draft.quorum is not None or (parts[1] != NONE and parts[1] not in draft.names):
        raise PolicyFileError("there is one quorum, and it is none or defined on a line before")
    draft.quorum = parts[1]


_TAKERS: Final[Mapping[str, Callable[[_Draft, Sequence[str]], None]]] = {
    "log": _take_log,
    "witness": _take_witness,
    "group": _take_group,
    "quorum": _take_quorum,
}
