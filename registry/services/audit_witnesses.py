"""Which witnesses an audit knows, and what their cosignatures on the checkpoints at hand say.

Spec: c2sp.org/tlog-policy, c2sp.org/tlog-cosignature; specs/audit.md "Witness times".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.audit.finding import Finding, make_finding, refusal_finding
from registry.audit.reader import LogReader
from registry.audit.witness_times import WitnessMark
from registry.log.checkpoint import VerifiedCheckpoint
from registry.log.cosignature import CosignatureKey, parse_cosignature_key, verify_cosignatures
from registry.log.note import parse_note
from registry.log.witness_policy import QuorumMissingError, WitnessPolicy

MAX_NAMED = 64
"""Witnesses that are taken from the log's own description, at most."""


@dataclass(frozen=True, slots=True)
class KnownWitnesses:
    """Whose cosignatures count.

    Args:
        policy: the auditor's own; None where the log itself names them.
        keys: of the witnesses.
    """

    policy: WitnessPolicy | None
    keys: tuple[CosignatureKey, ...]

    def read(self, notes: Iterable[VerifiedCheckpoint]) -> tuple[list[WitnessMark], list[Finding]]:
        """Return the times at which witnesses cosigned checkpoints, and what is wrong with their lines.

        One false line of a known key condemns the cosignatures of its note.
        """
        marks: list[WitnessMark] = []
        findings: list[Finding] = []
        for verified in notes:
            head = verified.checkpoint
            try:
                cosigned = verify_cosignatures(parse_note(verified.note).signatures, head, self.keys)
            except BonafidesError as error:
                findings.append(refusal_finding(error))
                continue
            marks.extend(WitnessMark(head.size, one.time_s * 1_000, one.key.name) for one in cosigned)
        return marks, findings

    def check_quorum(self, newest: VerifiedCheckpoint) -> list[Finding]:
        """Return a breach where the auditor's own policy asks for more cosignatures than the checkpoint has."""
        if self.policy is None:
            return []
        try:
            cosigned = verify_cosignatures(parse_note(newest.note).signatures, newest.checkpoint, self.keys)
        except BonafidesError:
            return []  # told by `read`
        if self.policy.has_quorum(self.policy.signed_by(cosigned)):
            return []
        return [refusal_finding(QuorumMissingError(signed=len(cosigned)))]


def known_witnesses(policy: WitnessPolicy | None, reader: LogReader) -> KnownWitnesses:
    """Return the witnesses of a policy, or without one those that the log names: then its own word for who they are.

    Raises:
        RegistryError: as `LogReader.description`.
    """
    if policy is not None:
        return KnownWitnesses(policy, tuple(one.key for one in policy.witnesses))
    named = reader.description().get("witnesses")
    keys = [_key_of(one) for one in named[:MAX_NAMED]] if isinstance(named, list) else []
    return KnownWitnesses(None, tuple(dict.fromkeys(one for one in keys if one is not None)))


def check_age(marks: Iterable[WitnessMark], size: int, oldest_ms: int) -> list[Finding]:
    """Return a breach where no witness has seen the checkpoint lately: what is shown may be a view that was frozen.

    Args:
        marks: what `KnownWitnesses.read` gave.
        size: of the checkpoint's tree.
        oldest_ms: the newest cosignature is at least as young, milliseconds since the epoch.
    """
    newest = max((one.time_ms for one in marks if one.size == size), default=None)
    if newest is not None and newest >= oldest_ms:
        return []
    found = None if newest is None else format_timestamp(newest)
    return [make_finding("checkpoint_stale", expected=format_timestamp(oldest_ms), found=found)]


def _key_of(named: Any) -> CosignatureKey | None:
    """Return the key of a witness as the log describes it; None where it is of a kind that is not known here."""
    text = named.get("verifier_key") if isinstance(named, dict) else None
    try:
        return parse_cosignature_key(text) if isinstance(text, str) else None
    except BonafidesError:
        return None
