"""This registry as a witness of did:webvh logs: it approves the next entry of a log once, and never another in its place.

A witness vouches for the order, not for the agent: the log verifies as any foreign log does, its newest entry asks for
this witness, and of this log no other entry of that number, and no longer log, was approved here, is hosted here or was
seen elsewhere.

Spec: did:webvh 1.0 "DID Witnesses", "Witnessing a DID Version Update"; specs/did-hosting.md "Being a witness".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.method import SeenVersion
from did_methods.webvh_entry import verify_entry
from did_methods.webvh_errors import LogEmptyError, LogTooLargeError, WitnessMissingError
from did_methods.webvh_state import WebvhState
from did_methods.webvh_witness import (
    WitnessFile,
    Witnessing,
    count_witnessed,
    parse_witness_list,
    sign_witness_proof,
)
from registry.adapters.key_file import KeyRing
from registry.adapters.system_clock import Clock
from registry.errors import ParseError, VerificationError
from registry.limits import DID_WITNESS_BODY_BYTES, DID_WITNESS_PER_MINUTE, DID_WITNESS_PER_SOURCE_HOUR
from registry.services.rates import SourceRates
from registry.storage.did_witness import WitnessedVersion, WitnessStore, check_goes_on

MAX_ENTRIES = 1_024
MAX_LINE_BYTES = 131_072


class DidWitnessFormError(ParseError):
    """The body is not a log with, where earlier entries were witnessed, the proofs of that."""

    code = "did_witness_malformed"
    title = "Not a log to be witnessed"


class DidWitnessNotNamedError(VerificationError):
    """The newest entry does not ask for this witness."""

    code = "did_witness_not_named"
    title = "The newest entry does not name this witness"


class DidWitness:
    """Witnesses logs. Safe from any thread.

    Args:
        ring: the witness key; its DID is the one that logs name.
        store: what was witnessed.
        newest_seen: of the log with a SCID, its newest version that is hosted here or was ever resolved.
        clock: the wall clock.
    """

    def __init__(
        self, *, ring: KeyRing, store: WitnessStore, newest_seen: Callable[[str], SeenVersion | None], clock: Clock
    ) -> None:
        self.did = ring.did
        self._key = ring.keys["signing"]
        self._store = store
        self._newest_seen = newest_seen
        self._clock = clock
        self._rates = SourceRates(per_source_hour=DID_WITNESS_PER_SOURCE_HOUR, per_minute=DID_WITNESS_PER_MINUTE)

    def witness(self, body: dict[str, Any], *, source: str | None) -> dict[str, Any]:
        """Approve the newest entry of a log; the same log gets the same proof for ever.

        Args:
            body: ``{"log": did.jsonl as a text, "witness": did-witness.json?}``.
            source: the caller's address for the flood limits; None is not counted by source.

        Returns:
            A member of a ``did-witness.json``: ``versionId`` and ``proof``, a list of one.

        Raises:
            RequestRateError: ``request_rate_exceeded``.
            DidWitnessFormError: ``did_witness_malformed``.
            DidWitnessNotNamedError: ``did_witness_not_named``.
            DidWitnessConflictError: ``did_witness_conflict``.
            DidError: why the log does not verify; ``webvh_witness_missing`` where earlier entries lack approvals.

        Spec: did:webvh 1.0 "Witnessing a DID Version Update"
        """
        log, listed = body.get("log"), body.get("witness", [])
        if body.keys() - {"log", "witness"} or not isinstance(log, str) or not isinstance(listed, list):
            raise DidWitnessFormError("send log, a text, and witness, a list")
        file = parse_witness_list(listed)
        now_ms = self._clock.now_ms()
        self._rates.take(source, now_ms=now_ms)
        states = _verify_entries(log.encode(), now_ms)
        newest = states[-1]
        if newest.witness_required is None or self.did not in newest.witness_required.witnesses:
            raise DidWitnessNotNamedError
        versions = [one.version_id for one in states]
        mine, seen = self._store.newest(newest.scid), self._newest_seen(newest.scid)
        for known in (mine, seen):
            if known is not None:
                check_goes_on(versions, known)
        self._check_earlier(states, file, mine)
        proof = sign_witness_proof(newest.version_id, self._key, created_ms=now_ms)
        given = self._store.remember(newest.scid, versions, canonicalize(proof))
        return {"versionId": given.version_id, "proof": [parse_json_object(given.proof)]}

    def _check_earlier(self, states: list[WebvhState], file: WitnessFile, mine: WitnessedVersion | None) -> None:
        """Check that whoever had to approve the entries before has done so; this witness remembers its own part.

        Raises:
            WitnessMissingError: ``webvh_witness_missing``.
        """
        proofs = dict(file.proofs)
        if mine is not None:
            proofs[mine.version_id] = (*proofs.get(mine.version_id, ()), parse_json_object(mine.proof))
        earlier = [Witnessing(one.version_id, one.witness_required) for one in states[:-1]]
        # An approval of the newest entry by another witness is one of all before it, too.
        count = count_witnessed([*earlier, Witnessing(states[-1].version_id, None)], WitnessFile(proofs))
        if count < len(earlier):
            rule = states[count].witness_required
            raise WitnessMissingError(version=states[count].version_id, threshold=0 if rule is None else rule.threshold)


def _verify_entries(log: bytes, now_ms: int) -> list[WebvhState]:
    """Verify every entry of a log, from the first; witnesses are looked at afterwards.

    Raises:
        DidError: webvh_log_too_large, webvh_log_empty, a code of ``parse_json`` or of ``verify_entry``.
    """
    if log.count(b"\n") > MAX_ENTRIES:
        raise LogTooLargeError(max_bytes=DID_WITNESS_BODY_BYTES, max_entries=MAX_ENTRIES)
    if not log:
        raise LogEmptyError
    states: list[WebvhState] = []
    for line in log.removesuffix(b"\n").split(b"\n"):
        entry = parse_json_object(line, max_bytes=MAX_LINE_BYTES)
        states.append(verify_entry(states[-1] if states else None, entry, now_ms=now_ms))
    return states
