"""What an audit can find: one row per code, and the finding itself.

A *breach* contradicts what the log or the registry claims; a *remark* is worth knowing and contradicts nothing. What a
rule of the log refuses keeps the code of that rule. The codes below are the audit's own.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from did_methods.errors import BonafidesError

Severity = Literal["breach", "remark"]

CODES: dict[str, tuple[Severity, str]] = {
    "leaf_hash_mismatch": ("breach", "The entry does not hash to what the log's tile says"),
    "entries_missing": ("breach", "The log does not serve entries that its checkpoint covers"),
    "tile_missing": ("breach", "The log does not serve a tile that its checkpoint covers"),
    "tile_mismatch": ("breach", "A tile does not hold the hashes of the tiles below it"),
    "root_mismatch": ("breach", "The entries do not hash to the checkpoint's root"),
    "links_broken": ("breach", "The entry does not follow in time, or in a chain, from the entries before it"),
    "log_key_not_pinned": ("breach", "Entry 0 names another key than the one that signs checkpoints"),
    "log_origin_not_pinned": ("breach", "Entry 0 names another origin than the checkpoint"),
    "checkpoint_rolled_back": ("breach", "The checkpoint is smaller than one seen before"),
    "checkpoint_inconsistent": ("breach", "The log is not an extension of the one seen before"),
    "checkpoint_lags": ("breach", "The registry answers from entries that no checkpoint covers"),
    "checkpoint_stale": ("breach", "No witness has seen the checkpoint for longer than the auditor allows"),
    "log_time_after_witness": ("breach", "A witness had seen the entry before its log time"),
    "log_time_before_witness": ("breach", "A witness had not seen the entry long after its log time"),
    "log_replaced": ("breach", "Another log was audited at this address before"),
    "accepted_event_missing": ("breach", "An accepted event is not in the log where the acceptance says"),
    "acceptance_not_ours": ("breach", "The acceptance is not one of this registry for this log"),
    "agent_hidden": ("breach", "The registry does not list an agent of the log"),
    "agent_invented": ("breach", "The registry lists an agent that is not in the log"),
    "agent_differs": ("breach", "The registry says something else of an agent than the log"),
    "chain_differs": ("breach", "The registry shows another history of an agent than the log"),
    "standing_differs": ("breach", "The registry shows another standing than the log gives"),
    "standing_missing": ("breach", "The registry does not answer for an agent of the log"),
    "standing_stale": ("breach", "The registry answers from an older log than its checkpoint"),
    "standing_instant": ("breach", "The registry answers for an instant that it was not asked for"),
    "did_log_rewritten": ("breach", "The served did.jsonl does not hold the entries of the log, byte for byte"),
    "did_log_shorter": ("breach", "The served did.jsonl ends before the log's newest entry of this DID"),
    "did_log_missing": ("breach", "The registry does not serve the did.jsonl of a DID of the log"),
    "did_witness_rewritten": ("breach", "The served did-witness.json does not hold the proofs of the log"),
    "did_document_rewritten": ("breach", "The served did.json is not what the log gives"),
    "state_map_differs": ("breach", "The state log commits to another map than the log gives"),
    "state_tree_differs": ("breach", "The state log names another tree of that size than the log's"),
    "state_rules_differ": ("breach", "The state log names other rules than entry 0"),
    "state_log_malformed": ("breach", "The state log holds what is no entry of one, or goes back"),
    "state_log_inconsistent": ("breach", "The state log is not an extension of the one seen before"),
    "state_log_ahead": ("breach", "The state log is about entries that the published log has not"),
    "state_log_root_mismatch": ("breach", "The entries of the state log do not hash to its checkpoint's root"),
    "state_log_unbound": ("breach", "The registry's DID has not named this state log with this key"),
    "state_log_unvouched": ("remark", "Nobody has signed which key the state log has"),
    "state_log_missing": ("remark", "The state log is named and not served, so no map was compared"),
    "chains_sampled": ("remark", "The histories of only some agents were compared"),
    "did_files_sampled": ("remark", "The files of only some hosted DIDs were compared"),
    "epoch_late": ("remark", "An automatic epoch came more than an hour late"),
    "epoch_missing": ("remark", "An automatic epoch is more than an hour overdue"),
    "registry_observed": ("remark", "The entry rests on what the registry says it observed"),
    "log_time_ahead": ("remark", "The log's time is ahead of this machine's clock"),
    "counter_gap": ("remark", "An issuer has counted statements that are not in the log"),
    "counter_repeated": ("remark", "An issuer has given one number to two statements"),
    "counter_previous": ("remark", "An issuer's counted statement names another one before it than the log has"),
    "fold_discarded": ("remark", "What an earlier audit kept does not fit; the log was read from its beginning"),
    "not_compared": ("remark", "Agents and scores were not compared with the registry's answers"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        code: stable; of `CODES`, or of the rule that refused the entry.
        severity: see the module.
        title: what the code means, in a sentence.
        detail: what it was here; no payloads, keys or signatures.
        index: the log entry, or None where it is about none.
        kind: that entry's kind, where it could be read.
        did: the agent that it is about.
        expected: what the log, the key or the rules give.
        found: what was served.
    """

    code: str
    severity: Severity
    title: str
    detail: str = ""
    index: int | None = None
    kind: str | None = None
    did: str | None = None
    expected: str | None = None
    found: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the finding as JSON; members that say nothing are left out."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in members.items() if value not in (None, "")}


def make_finding(
    code: str,
    detail: str = "",
    *,
    index: int | None = None,
    kind: str | None = None,
    did: str | None = None,
    expected: object = None,
    found: object = None,
) -> Finding:
    """Return a finding with one of the audit's own codes."""
    severity, title = CODES[code]
    return Finding(code, severity, title, detail, index, kind, did, _text(expected), _text(found))


def refusal_finding(error: BonafidesError, *, index: int | None = None, kind: str | None = None) -> Finding:
    """Return what a rule refused as a finding; the rule's own code, title and parameters."""
    expected, found = error.params.get("expected"), error.params.get("found")
    detail = "" if error.detail == error.title else error.detail
    return Finding(error.code, "breach", error.title, detail, index, kind, None, _text(expected), _text(found))


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return breaches before remarks, each by entry, those about no entry last; else as found."""
    return tuple(sorted(findings, key=lambda one: (one.severity != "breach", one.index is None, one.index or 0)))


def first_entry_at_fault(findings: Iterable[Finding]) -> Finding | None:
    """Return the breach with the lowest log index, or None where none concerns an entry."""
    breaches = [one for one in sort_findings(findings) if one.severity == "breach" and one.index is not None]
    return breaches[0] if breaches else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
