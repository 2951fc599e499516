"""Writing moves, witness rules, watchers and reserve keys; what a moved DID looks like from outside."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import DidError
from did_methods.method import ResolutionError
from did_methods.webvh import (
    WebvhState,
    append_entry,
    create_entry,
    deactivate_entry,
    entry_line,
    move_document,
    parallel_did_web,
    resolve_log,
    resolved_document,
    verify_states,
)
from did_methods.webvh_witness import WitnessRule, sign_witness_proof, witness_file_bytes
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, commitment, document, key, multikey, template

WITNESSES = tuple(f"did:key:{multikey(number)}" for number in (5, 6, 7))
TWO_OF_THREE = WitnessRule(2, WITNESSES)


class _Writer:
    """An agent with pre-rotation that keeps its whole log, and its witnesses."""

    def __init__(self, **options: Any) -> None:
        entry, self.state = create_entry(
            template(), update_key=key(0), next_key_hashes=[commitment(1)], version_time_ms=START_MS, **options
        )
        self.log = entry_line(entry)
        self.states = [self.state]

    def append(self, document: dict[str, Any] | None = None, **options: Any) -> WebvhState:
        number = self.state.version_number
        entry, self.state = append_entry(
            self.state,
            self.state.raw_document if document is None else document,
            **{
                "update_key": key(number),
                "next_key_hashes": [commitment(number + 1)],
                "version_time_ms": START_MS + number * DAY_MS,
            }
            | options,
        )
        self.log += entry_line(entry)
        self.states.append(self.state)
        return self.state

    def place(self, host: str) -> str:
        return f"did:webvh:{self.state.scid}:{host}"

    def proofs(self, *numbers: int, version: int) -> dict[str, list[dict[str, Any]]]:
        version_id = self.states[version - 1].version_id
        return {version_id: [sign_witness_proof(version_id, key(number), created_ms=START_MS) for number in numbers]}


# ---------------------------------------------------------------- moves


def test_a_move_renames_the_did_in_its_document() -> None:
    """Every member that is the DID or a DID URL of it is renamed; the old DID stands in alsoKnownAs."""
    writer = _Writer()
    old, new = writer.state.did, writer.place("new.example.com:agents:alice")
    service = {"id": f"{old}#inbox", "type": "Inbox", "serviceEndpoint": f"{old}?service=x", "note": f"was {old}"}
    writer.append(document(old, 3) | {"service": [service], "alsoKnownAs": ["https://alice.example", new, old]})
    state = writer.append(move_document(writer.state, new))
    assert (state.did, state.first_did) == (new, old)
    assert state.raw_document["alsoKnownAs"] == ["https://alice.example", old]
    assert state.raw_document["service"] == [
        {"id": f"{new}#inbox", "type": "Inbox", "serviceEndpoint": f"{new}?service=x", "note": f"was {old}"}
    ]
    assert state.document.find_method(f"{new}#key-1", "authentication").controller == new


def test_a_did_that_begins_with_the_old_one_is_another() -> None:
    """Only the DID itself is renamed, not one whose text continues it."""
    writer = _Writer()
    old, new = writer.state.did, writer.place("new.example.com")
    writer.append(document(old) | {"controller": [f"{old}:child", old]})
    assert move_document(writer.state, new)["controller"] == [f"{old}:child", new]


def test_both_names_of_a_moved_did_resolve() -> None:
    """The old and the new DID give the newest document, whose id is the new one; a name never had gives nothing."""
    writer = _Writer()
    names = [writer.state.did]
    for host in ("second.example.com", "third.example.com"):
        names.append(writer.place(host))
        writer.append(move_document(writer.state, names[-1]))
    for name in names:
        result = resolve_log(name, writer.log, now_ms=NOW_MS)
        assert result.did_document is not None
        assert result.did_document["id"] == names[-1]
        first = resolve_log(name, writer.log, now_ms=NOW_MS, version_number=1)
        assert first.did_document is not None
        assert first.did_document["id"] == names[0]
    assert resolve_log(writer.place("no.example.com"), writer.log, now_ms=NOW_MS).error is ResolutionError.INVALID_DID


def test_a_moved_did_serves_its_files_at_the_new_place() -> None:
    """#files, #whois and the parallel did:web follow the move; the did:web of the old place is named."""
    writer = _Writer()
    old, new = writer.state.did, writer.place("new.example.com:a")
    state = writer.append(move_document(writer.state, new))
    services = resolved_document(state)["service"]
    assert [service["id"] for service in services] == [f"{new}#files", f"{new}#whois"]
    assert [service["serviceEndpoint"] for service in services] == [
        "https://new.example.com/a/",
        "https://new.example.com/a/whois.vp",
    ]
    twin = parallel_did_web(state)
    assert twin is not None
    assert twin["id"] == "did:web:new.example.com:a"
    assert twin["alsoKnownAs"] == [old.replace(f"webvh:{state.scid}", "web"), new]


@pytest.mark.parametrize(
    ("did", "code"),
    [
        ("did:webvh:QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p:new.example.com", "webvh_move_elsewhere"),
        ("did:webvh:{scid}:registry.example.com%3A8000:agents:alice", "webvh_move_elsewhere"),
        ("did:webvh:{scid}:127.0.0.1", "did_host_is_address"),
        ("did:web:new.example.com", "webvh_did_malformed"),
    ],
)
def test_a_move_to_nowhere_is_not_written(did: str, code: str) -> None:
    """Another SCID, the same place, an address and another method are no places to move to."""
    writer = _Writer()
    with pytest.raises(DidError) as refused:
        move_document(writer.state, did.replace("{scid}", writer.state.scid))
    assert refused.value.code == code


def test_a_did_that_gave_up_moving_stays() -> None:
    """The writer hears the verifier's code, and so does whoever forgets the link."""
    fixed = _Writer(portable=False)
    with pytest.raises(DidError) as refused:
        fixed.append(move_document(fixed.state, fixed.place("new.example.com")))
    assert refused.value.code == "webvh_not_portable"
    free = _Writer()
    unlinked = move_document(free.state, free.place("new.example.com")) | {"alsoKnownAs": []}
    with pytest.raises(DidError) as refused:
        free.append(unlinked)
    assert refused.value.code == "webvh_move_unlinked"


def test_a_move_and_giving_up_moving_fit_one_entry() -> None:
    """The rule before the entry decides: the last move may be the one that ends moving."""
    writer = _Writer()
    state = writer.append(move_document(writer.state, writer.place("last.example.com")), portable=False)
    assert not state.portable
    with pytest.raises(DidError):
        writer.append(move_document(state, writer.place("other.example.com")))


# ---------------------------------------------------------------- witnesses and watchers


def test_a_witnessed_log_is_written_and_read_back() -> None:
    """Rule, replacement and end of witnessing are in the states, with who must approve each entry."""
    writer = _Writer(witness=TWO_OF_THREE, watchers=["https://watcher.example.com"])
    one = WitnessRule(1, WITNESSES[2:])
    writer.append(witness=one, watchers=[])
    writer.append(witness=False)
    writer.append()
    assert [state.witness_required for state in writer.states] == [TWO_OF_THREE, TWO_OF_THREE, one, None]
    assert [state.witness for state in writer.states] == [TWO_OF_THREE, one, None, None]
    assert [state.watchers for state in writer.states] == [("https://watcher.example.com",), (), (), ()]
    file = witness_file_bytes(writer.proofs(5, 7, version=2) | writer.proofs(7, version=3))
    assert verify_states(writer.log, now_ms=NOW_MS, witness=file) == tuple(writer.states)
    assert all(WebvhState.from_wire(state.to_wire()) == state for state in writer.states)


def test_witnesses_that_come_later_approve_the_entry_that_names_them() -> None:
    """From none to some takes effect at once."""
    writer = _Writer()
    state = writer.append(witness=TWO_OF_THREE)
    assert state.witness_required == TWO_OF_THREE


def test_a_witnessed_did_is_not_deactivated_without_its_witnesses() -> None:
    """The last entry needs approval like any other; with it the DID is gone for good."""
    writer = _Writer(witness=TWO_OF_THREE)
    entry, state = deactivate_entry(writer.state, update_key=key(1), version_time_ms=START_MS + DAY_MS)
    writer.log += entry_line(entry)
    writer.states.append(state)
    assert state.witness_required == TWO_OF_THREE
    created = writer.proofs(5, 6, version=1)
    refused = resolve_log(state.did, writer.log, now_ms=NOW_MS, witness=witness_file_bytes(created))
    assert refused.error is ResolutionError.INVALID_DID
    file = witness_file_bytes(created | writer.proofs(5, 6, version=2))
    assert resolve_log(state.did, writer.log, now_ms=NOW_MS, witness=file).deactivated


@pytest.mark.parametrize(
    "rule",
    [
        WitnessRule(0, WITNESSES),
        WitnessRule(4, WITNESSES),
        WitnessRule(1, ()),
        WitnessRule(1, (*WITNESSES, WITNESSES[0])),
        WitnessRule(1, ("did:web:witness.example.com",)),
    ],
)
def test_a_rule_that_others_would_refuse_is_not_written(rule: WitnessRule) -> None:
    """What is written is verified before it is returned, also when a rule was built by hand."""
    with pytest.raises(DidError) as refused:
        _Writer(witness=rule)
    assert refused.value.code == "webvh_witness_rule_malformed"
    writer = _Writer()
    with pytest.raises(DidError):
        writer.append(witness=rule)
    assert writer.append().version_number == 2


def test_a_watcher_that_is_no_uri_is_not_written() -> None:
    """Watchers are checked in the writer like everything else."""
    with pytest.raises(DidError) as refused:
        _Writer(watchers=["watcher.example.com"])
    assert refused.value.code == "webvh_watcher_malformed"


# ---------------------------------------------------------------- several keys, and one in reserve


def test_several_update_keys_each_may_sign() -> None:
    """Any of the keys in force continues the log without pre-rotation, and each of the committed ones with it."""
    keys = [multikey(2), multikey(3)]
    writer = _Writer(more_update_keys=keys)
    assert writer.state.update_keys == (multikey(0), *keys)
    state = writer.append(next_key_hashes=[commitment(2), commitment(3)])
    both = {"update_keys": [multikey(2), multikey(3)], "next_key_hashes": [], "version_time_ms": START_MS + 5 * DAY_MS}
    for signer in (2, 3):
        _, after = append_entry(state, state.raw_document, update_key=key(signer), **both)
        assert after.update_keys == (multikey(2), multikey(3))


def test_a_lost_next_key_is_recovered_with_the_one_in_reserve() -> None:
    """Each entry commits to the next key and to one kept apart; either continues, a third does not."""
    reserve = 50
    entry, state = create_entry(
        template(),
        update_key=key(0),
        next_key_hashes=[commitment(1), commitment(reserve)],
        version_time_ms=START_MS,
    )
    log = entry_line(entry)
    recovered, after = append_entry(
        state,
        document(state.did, 9),
        update_key=key(reserve),
        next_key_hashes=[commitment(2), commitment(reserve + 1)],
        version_time_ms=START_MS + DAY_MS,
    )
    assert after.update_keys == (multikey(reserve),)
    assert verify_states(log + entry_line(recovered), now_ms=NOW_MS)[-1] == after
    for spent in (1, reserve):
        with pytest.raises(DidError) as refused:
            append_entry(
                after,
                after.raw_document,
                update_key=key(spent),
                next_key_hashes=[commitment(3)],
                version_time_ms=START_MS + 2 * DAY_MS,
            )
        assert refused.value.code == "webvh_update_key_not_committed"


def test_a_did_can_be_frozen_and_still_resolves() -> None:
    """No update keys and no deactivation: the document stays for good, and nobody can add to the log."""
    _, state = create_entry(template(), update_key=key(0), next_key_hashes=[], version_time_ms=START_MS)
    _, frozen = append_entry(
        state, state.raw_document, update_key=key(0), update_keys=[], version_time_ms=START_MS + DAY_MS
    )
    assert frozen.update_keys == ()
    assert not frozen.deactivated
    with pytest.raises(DidError) as refused:
        append_entry(frozen, state.raw_document, update_key=key(0), version_time_ms=START_MS + 2 * DAY_MS)
    assert refused.value.code == "webvh_proof_key_not_authorized"
