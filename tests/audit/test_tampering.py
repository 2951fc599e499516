"""Each way of changing a log that was public, and the entry and code with which the audit names it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.audit.report import AuditReport
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.note import NoteSigner
from registry.services.log import SignedHead
from tests.audit.conftest import Scene
from tests.audit.operator import Operator


@pytest.fixture
def operator(scene: Scene) -> Iterator[Operator]:
    """The operator, about to tamper; everything is put back afterwards."""
    with scene.operator.tampering() as tampering:
        yield tampering


def blamed(report: AuditReport) -> tuple[int | None, str] | None:
    """Return index and code of the first entry at fault."""
    first = report.first_at_fault
    return None if first is None else (first.index, first.code)


def codes(report: AuditReport) -> set[str]:
    """Return the codes of all breaches."""
    return {one.code for one in report.findings if one.severity == "breach"}


def test_an_edited_byte_with_its_old_hash(scene: Scene, operator: Operator) -> None:
    """The entry does not hash to what the tile says, and its signature does not hold."""
    at = scene.index("alice vouches for bob")
    operator.edit(at, b'"strength":50', b'"strength":51', with_hash=False)
    report = scene.audit()
    assert blamed(report) == (at, "leaf_hash_mismatch")
    assert codes(report) == {"leaf_hash_mismatch", "proof_invalid", "root_mismatch"}


def test_an_edited_byte_with_a_new_hash(scene: Scene, operator: Operator) -> None:
    """With the tile changed too, the signature and the checkpoint's root still tell."""
    at = scene.index("alice vouches for bob")
    operator.edit(at, b'"strength":50', b'"strength":51', with_hash=True)
    report = scene.audit()
    assert blamed(report) == (at, "proof_invalid")
    assert codes(report) == {"proof_invalid", "root_mismatch"}


def test_an_edited_byte_under_a_new_checkpoint(scene: Scene, operator: Operator) -> None:
    """Whoever also signs the tree anew cannot sign for the agent."""
    at = scene.index("alice vouches for bob")
    operator.edit(at, b'"strength":50', b'"strength":51', with_hash=True)
    operator.sign_head(operator.leaves)
    report = scene.audit()
    assert blamed(report) == (at, "proof_invalid")
    assert codes(report) == {"proof_invalid"}


def test_an_edited_frame(scene: Scene, operator: Operator) -> None:
    """What the agent did not sign (time, links) is held by the chain and the root."""
    at = scene.index("alice vouches for bob")
    operator.edit(at, b'"count":', b'"count":1', with_hash=True)
    report = scene.audit()
    assert blamed(report) == (at, "leaf_mismatch")
    first = report.first_at_fault
    assert first is not None
    assert first.detail.startswith("count of did:")
    assert first.found == f"1{first.expected}"
    assert "root_mismatch" in codes(report)


def test_an_entry_that_is_no_leaf(scene: Scene, operator: Operator) -> None:
    """Bytes that are not one canonical leaf are refused as such."""
    at = scene.index("alice's passport")
    operator.edit(at, b"{", b"{ ", with_hash=True)
    assert blamed(scene.audit()) == (at, "leaf_not_canonical")


@pytest.mark.parametrize("signed", [False, True])
def test_swapped_entries(scene: Scene, operator: Operator, signed: bool) -> None:
    """Two entries in the other order break the chain of the DID that they share."""
    leaves = operator.leaves
    at, other = scene.index("bob vouches for carol"), scene.index("bob reports carol")
    leaves[at], leaves[other] = leaves[other], leaves[at]
    operator.replace_log(leaves, signed=signed)
    report = scene.audit()
    assert blamed(report) == (at, "leaf_mismatch")
    assert ("root_mismatch" in codes(report)) is not signed


def test_a_deleted_row(scene: Scene, operator: Operator) -> None:
    """A bundle that ends early is a gap in the log; what follows the gap is at fault where it is read."""
    at = scene.index("alice vouches for bob")
    operator.sql("DELETE FROM entry WHERE seq = ?", at)
    report = scene.audit()
    first = report.first_at_fault
    assert first is not None
    assert {"entries_missing", "tile_missing"} <= codes(report)
    assert any(one.code == "leaf_mismatch" and one.index == at for one in report.findings)


def test_a_deleted_entry_under_a_new_checkpoint(scene: Scene, operator: Operator) -> None:
    """The next entry of a DID whose entry is gone names one that is not there."""
    leaves = operator.leaves
    at = scene.index("alice vouches for bob")
    operator.replace_log(leaves[:at] + leaves[at + 1 :])
    report = scene.audit()
    assert blamed(report) == (at, "leaf_mismatch")
    assert codes(report) == {"leaf_mismatch", "state_log_ahead"}


def test_an_inserted_entry_under_a_new_checkpoint(scene: Scene, operator: Operator) -> None:
    """An entry put in between, tiles recomputed, head signed: the entry does not fit where it stands."""
    leaves = operator.leaves
    at = scene.index("alice vouches for bob")
    operator.replace_log([*leaves[:at], leaves[-1], *leaves[at:-1]])
    report = scene.audit()
    assert blamed(report) == (at, "nothing_to_revoke")


def test_a_truncated_log_under_the_old_checkpoint(scene: Scene, operator: Operator) -> None:
    """The newest entries taken away: the checkpoint covers more than is served."""
    leaves = operator.leaves
    operator.replace_log(leaves[:-2], signed=False)
    report = scene.audit()
    assert ("entries_missing", len(leaves) - 2) in {(one.code, one.index) for one in report.findings}


def test_a_checkpoint_signed_by_another_key(scene: Scene, operator: Operator) -> None:
    """A note under another key is no checkpoint of this log, whatever it says."""
    registry = scene.world.registry
    head = registry.log.signed_head
    forged = sign_checkpoint(
        Checkpoint(scene.world.origin, head.size, head.root_hash), operator.registry_signer.signing_key
    )
    registry.log._signed = registry.log._published = SignedHead(head.size, head.root_hash, forged)
    report = scene.audit()
    assert codes(report) == {"note_unverified"}
    assert (report.checkpoint, report.entries, report.is_clean) == (None, 0, False)


def test_a_changed_note(scene: Scene) -> None:
    """One digit of the signed note changed: the signature does not hold."""
    log = scene.world.registry.log
    head = log.signed_head
    changed = head.note.replace(f"\n{head.size}\n".encode(), f"\n{head.size - 1}\n".encode())
    with scene.operator.tampering():
        log._signed = log._published = SignedHead(head.size, head.root_hash, changed)
        assert codes(scene.audit()) == {"note_signature_invalid"}


def test_a_key_that_entry_0_does_not_pin(scene: Scene, operator: Operator) -> None:
    """Somebody else's log under the registry's address: its key is not the one of entry 0."""
    stranger = operator.registry_signer.signing_key
    head = scene.world.registry.log.signed_head
    checkpoint = Checkpoint("stranger.example/log", head.size, head.root_hash)
    scene.world.registry.log._signed = scene.world.registry.log._published = SignedHead(
        head.size, head.root_hash, sign_checkpoint(checkpoint, stranger)
    )
    report = scene.audit(log_key=NoteSigner("stranger.example/log", stranger).key.to_text())
    assert {(one.code, one.index) for one in report.findings if one.index == 0} == {
        ("log_key_not_pinned", 0),
        ("log_origin_not_pinned", 0),
    }


def test_an_epoch_with_other_votes(scene: Scene, operator: Operator) -> None:
    """A commitment that the log does not give, signed by the registry's own key, is named with the true one."""
    operator.relog(operator.events, commitment=lambda true: bytes(31) + true[:1])
    at = max(i for i, (_, event) in enumerate(operator.events) if "RegistryEpochCredential" in event.get("type", ()))
    report = scene.audit()
    assert blamed(report) == (at, "epoch_commitment_mismatch")
    first = report.first_at_fault
    assert first is not None
    assert first.expected


def test_an_honest_relog_is_clean_but_for_what_was_seen_before(scene: Scene, operator: Operator) -> None:
    """The same events with epochs signed anew are a sound log, and a fork: older checkpoints tell, and the state log."""
    seen = scene.remember()
    operator.relog(operator.events)
    told = {"state_tree_differs", "state_map_differs"}
    assert codes(scene.audit(compare=False)) == told
    assert codes(scene.audit(compare=False, remembered=seen)) == {"checkpoint_inconsistent", *told}


def test_a_rolled_back_log(scene: Scene, operator: Operator) -> None:
    """A backup restored and signed: sound by itself, smaller than what was seen; agents hold acceptances besides."""
    seen = scene.remember()
    operator.replace_log(operator.leaves[:-1])
    assert codes(scene.audit(compare=False)) == {"state_log_ahead"}
    assert codes(scene.audit(compare=False, remembered=seen)) == {"checkpoint_rolled_back", "state_log_ahead"}


def test_a_swallowed_event(scene: Scene, operator: Operator) -> None:
    """An acknowledged event that is not in the log is proven by its acceptance."""
    at = scene.index("bob revokes")
    operator.replace_log(operator.leaves[:at])
    report = scene.audit(compare=False, acceptances=scene.acceptances)
    found = [(one.code, one.index) for one in report.findings]
    assert found == [("accepted_event_missing", at), ("state_log_ahead", None)]


def test_another_event_in_the_place_of_an_accepted_one(scene: Scene, operator: Operator) -> None:
    """The acceptance names the leaf hash, so another entry at the index does not do."""
    events = operator.events
    at = scene.index("bob revokes")
    bob, alice = scene.actors["bob"], scene.actors["alice"]
    operator.relog([*events[:at], (scene.world.clock.now_ms(), bob.report(alice.did))])
    missing = {one.index for one in scene.audit(compare=False, acceptances=scene.acceptances).findings}
    assert at in missing


def test_an_acceptance_that_is_not_the_registrys(scene: Scene) -> None:
    """An acceptance of another log, and one with another index in it, are told apart from a broken promise."""
    foreign = scene.acceptances[0].replace(scene.world.origin.encode(), b"registry.other:8000/00000000")
    at = scene.index("operator vouches for alice")
    changed = scene.acceptances[0].replace(f'"index":{at}'.encode(), f'"index":{at + 1}'.encode())
    for line, code in ((foreign, "acceptance_not_ours"), (changed, "proof_invalid")):
        report = scene.audit(compare=False, acceptances=[line])
        assert [(one.code, one.index) for one in report.findings] == [(code, None)]
