"""Logs with badges, disputes, rulings, receipts, records and attestations: a sound one, and ends that should not be there."""

from __future__ import annotations

from typing import Any

from tests.support import evidence
from tests.support.logs import DAY_MS, Actor, LogBuilder, key_actor


def evidence_log() -> tuple[LogBuilder, dict[str, Actor]]:
    """Return a log that holds every kind of evidence, and who is in it."""
    log = LogBuilder(name="evidence").open(key_actor("olga"))
    olga, alice = log.agent("olga"), log.agent("alice", hosted=True)
    bob, acme = log.agent("bob"), log.agent("acme", hosted=True)
    log.vouch(olga, alice)
    log.epoch()
    log.wait()
    log.passport(alice)
    badge = log.add(evidence.affiliation(log, acme, alice))
    log.add(evidence.affiliation(log, acme, bob, valid_until_ms=log.now_ms + DAY_MS, unit="sales"))
    log.wait()
    log.add(evidence.receipt(log, alice, bob, part="provider"))
    log.add(evidence.action_record(log, alice, action="translate", outcome="completed"))
    log.add(evidence.attestation(log, alice))
    attested = log.add(evidence.attestation(log, bob, alice, appraisal="warning"))
    report, other = log.report(bob, alice), log.report(olga, alice, "coding")
    disputed = log.add(evidence.dispute(log, alice, report, ground="never-happened"))
    log.add(evidence.dispute(log, alice, other))
    log.wait()
    log.add(evidence.ruling(log, disputed))
    log.revoke(bob, attested)
    log.revoke(acme, badge)
    log.report(olga, alice, "coding")
    log.add(evidence.attestation(log, alice))
    log.epoch()
    return log, {"olga": olga, "alice": alice, "bob": bob, "acme": acme}


def forged_ends(log: LogBuilder, people: dict[str, Actor]) -> list[tuple[str, str, dict[str, Any], str]]:
    """Return entries that the operator should have refused: name, description, event, code."""
    olga, alice, bob, acme = (people[name] for name in ("olga", "alice", "bob", "acme"))
    reports = [leaf for leaf in log.leaves if leaf.kind == "report"]
    ruled = next(leaf for leaf in log.leaves if leaf.kind == "dispute")
    badge = next(leaf for leaf in log.leaves if leaf.kind == "affiliation")
    return [
        ("dispute-of-anothers-report", "Somebody who was not reported disputes.",
         evidence.dispute(log, acme, reports[-1]), "nothing_to_dispute"),
        ("dispute-again-after-the-ruling", "A report that was ruled on is disputed again.",
         evidence.dispute(log, alice, reports[0]), "dispute_repeated"),
        ("dispute-of-a-replaced-report", "The report has been replaced by a newer one.",
         evidence.dispute(log, alice, reports[1]), "nothing_to_dispute"),
        ("ruling-twice", "A dispute is ruled on twice.", evidence.ruling(log, ruled, "dismissed"), "dispute_not_open"),
        ("ruling-by-the-reporter", "Who reported rules.",
         evidence.ruling(log, ruled, signer=olga.signer), "signer_not_entitled"),
        ("affiliation-by-a-stranger", "An organisation that is no agent here gives a badge.",
         evidence.affiliation(log, key_actor("stranger"), bob), "agent_unknown"),
        ("affiliation-withdrawn-by-another", "A badge that is withdrawn is withdrawn again, by its bearer.",
         log.revocation_document(alice, badge), "nothing_to_revoke"),
        ("receipt-with-a-stranger", "One of the two parties is no agent here.",
         evidence.receipt(log, alice, key_actor("stranger")), "agent_unknown"),
        ("attestation-by-a-stranger", "Who attests is no agent here.",
         evidence.attestation(log, key_actor("stranger"), alice), "agent_unknown"),
    ]  # fmt: skip
