"""Writing did:webvh logs: create, rotate, update, deactivate, and the documents published beside the log."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.errors import DidError
from did_methods.webvh import (
    WebvhState,
    append_entry,
    create_entry,
    deactivate_entry,
    did_template,
    entry_line,
    parallel_did_web,
    resolved_document,
    verify_log,
)
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, LogWriter, commitment, document, key, multikey, template

PURPOSES = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")


def _created(**changes: Any) -> tuple[dict[str, Any], WebvhState]:
    options = {"update_key": key(0), "next_key_hashes": [commitment(1)], "version_time_ms": START_MS} | changes
    return create_entry(template(5, 6), **options)


def test_a_new_log_is_complete() -> None:
    """The first entry has pre-rotation and portability on, a list of proofs, and no placeholder left."""
    entry, state = _created()
    assert state == verify_log(entry_line(entry), now_ms=NOW_MS)
    assert state.portable
    assert state.update_keys == (multikey(0),)
    assert state.next_key_hashes == (commitment(1),)
    assert state.did == f"did:webvh:{state.scid}:registry.example.com%3A8000:agents:alice"
    assert isinstance(entry["proof"], list)
    assert b"{SCID}" not in entry_line(entry)
    assert b"null" not in entry_line(entry)


def test_the_default_document_lists_each_key_for_every_purpose() -> None:
    """Keys become #key-1 and #key-2 under the DID, usable for signing of every kind."""
    _, state = _created()
    for number, name in ((5, "key-1"), (6, "key-2")):
        for purpose in PURPOSES:
            method = state.document.find_method(f"{state.did}#{name}", purpose)
            assert method.public_key == key(number).public_key
            assert method.controller == state.did


def test_the_scid_depends_on_everything_in_the_entry() -> None:
    """Other keys, commitments, time or document make another DID."""
    scids = {
        _created()[1].scid,
        _created(update_key=key(1))[1].scid,
        _created(next_key_hashes=[commitment(2)])[1].scid,
        _created(next_key_hashes=[])[1].scid,
        _created(version_time_ms=START_MS + 1000)[1].scid,
        _created(portable=False)[1].scid,
        _created(ttl_s=0)[1].scid,
        _created(more_update_keys=[multikey(8)])[1].scid,
    }
    assert len(scids) == 8


def test_times_are_written_in_whole_seconds() -> None:
    """A fraction of a second is dropped, so two entries within one second are refused at the writer."""
    entry, state = _created(version_time_ms=START_MS + 999, next_key_hashes=[])
    assert entry["versionTime"] == "2025-10-09T08:53:20Z"
    with pytest.raises(DidError) as refused:
        append_entry(state, document(state.did), update_key=key(0), version_time_ms=START_MS + 999)
    assert refused.value.code == "webvh_version_time_not_later"


def test_a_rotation_uses_the_committed_key() -> None:
    """With pre-rotation the new key signs, and its commitment stands in the entry before."""
    first, state = _created()
    second, rotated = append_entry(
        state,
        document(state.did, 7),
        update_key=key(1),
        next_key_hashes=[commitment(2)],
        version_time_ms=START_MS + DAY_MS,
    )
    assert rotated.update_keys == (multikey(1),)
    assert second["parameters"] == {"updateKeys": [multikey(1)], "nextKeyHashes": [commitment(2)]}
    assert verify_log(entry_line(first) + entry_line(second), now_ms=NOW_MS) == rotated


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"update_key": key(0)}, "webvh_update_key_not_committed"),
        ({"update_key": key(9)}, "webvh_update_key_not_committed"),
        ({"update_keys": [multikey(1), multikey(9)]}, "webvh_update_key_not_committed"),
        ({"next_key_hashes": None}, "webvh_pre_rotation_incomplete"),
        ({"version_time_ms": START_MS}, "webvh_version_time_not_later"),
        ({"portable": True}, "webvh_portable_late"),
    ],
)
def test_a_rotation_that_others_would_refuse_is_not_written(changes: dict[str, Any], code: str) -> None:
    """What is written is verified first, so the writer hears the verifier's code."""
    _, state = _created()
    options = {
        "update_key": key(1),
        "next_key_hashes": [commitment(2)],
        "version_time_ms": START_MS + DAY_MS,
    } | changes
    with pytest.raises(DidError) as refused:
        append_entry(state, document(state.did), **options)
    assert refused.value.code == code


def test_a_document_that_does_not_parse_is_not_written() -> None:
    """The log rules would let it through, and nobody could use it."""
    with pytest.raises(DidError) as refused:
        create_entry(
            template() | {"verificationMethod": {}}, update_key=key(0), next_key_hashes=[], version_time_ms=START_MS
        )
    assert refused.value.code == "invalid_did_document"


def test_an_update_without_pre_rotation_states_only_what_changes() -> None:
    """The key in force signs, and an update of the document alone has empty parameters."""
    _, state = _created(next_key_hashes=[])
    entry, updated = append_entry(state, document(state.did, 7), update_key=key(0), version_time_ms=START_MS + DAY_MS)
    assert entry["parameters"] == {}
    assert updated.update_keys == state.update_keys
    assert updated.document.methods[0].public_key == key(7).public_key


def test_pre_rotation_can_be_switched_off_and_on() -> None:
    """The entry that switches it off still obeys it; later entries follow the plain rule until it is on again."""
    _, state = _created()
    _, off = append_entry(
        state, state.raw_document, update_key=key(1), next_key_hashes=[], version_time_ms=START_MS + DAY_MS
    )
    _, on = append_entry(
        off,
        state.raw_document,
        update_key=key(1),
        next_key_hashes=[commitment(2)],
        version_time_ms=START_MS + 2 * DAY_MS,
    )
    assert off.next_key_hashes == ()
    assert on.update_keys == (multikey(1),)
    assert on.next_key_hashes == (commitment(2),)


@pytest.mark.parametrize("rotating", [True, False])
def test_deactivation_is_one_entry_and_final(rotating: bool) -> None:
    """One entry ends the DID with pre-rotation and without; no key can add another."""
    _, state = _created(next_key_hashes=[commitment(1)] if rotating else [])
    signer = key(1) if rotating else key(0)
    entry, ended = deactivate_entry(state, update_key=signer, version_time_ms=START_MS + DAY_MS)
    assert ended.deactivated
    assert entry["parameters"]["deactivated"] is True
    assert ended.raw_document == state.raw_document
    with pytest.raises(DidError) as refused:
        append_entry(ended, state.raw_document, update_key=signer, version_time_ms=START_MS + 2 * DAY_MS)
    assert refused.value.code == "webvh_deactivated"


def test_changing_the_document_afterwards_changes_no_state() -> None:
    """The writer copies what it signs."""
    mine = template()
    _, state = create_entry(mine, update_key=key(0), next_key_hashes=[], version_time_ms=START_MS)
    theirs = document(state.did)
    _, updated = append_entry(state, theirs, update_key=key(0), version_time_ms=START_MS + DAY_MS)
    mine["verificationMethod"][0]["publicKeyMultibase"] = "changed"
    theirs["verificationMethod"][0]["publicKeyMultibase"] = "changed"
    assert b"changed" not in canonicalize(state.raw_document) + canonicalize(updated.raw_document)


def test_the_placeholder_is_replaced_everywhere() -> None:
    """The SCID may stand in the path and in any text or member name of the first document."""
    did = did_template("registry.example.com", path=["agents", "alice"]) + ":{SCID}"
    body = document(did) | {"{SCID}": ["at {SCID}, twice {SCID}"]}
    _, state = create_entry(body, update_key=key(0), next_key_hashes=[], version_time_ms=START_MS)
    assert state.did.endswith(f":alice:{state.scid}")
    assert state.raw_document[state.scid] == [f"at {state.scid}, twice {state.scid}"]


def test_implicit_services_are_added() -> None:
    """The resolved document has #files and #whois at the place of the log; the log itself has not."""
    _, state = _created()
    assert "service" not in state.raw_document
    assert resolved_document(state)["service"] == [
        {
            "id": f"{state.did}#files",
            "type": "relativeRef",
            "serviceEndpoint": "https://registry.example.com:8000/agents/alice/",
        },
        {
            "@context": "https://identity.foundation/linked-vp/contexts/v1",
            "id": f"{state.did}#whois",
            "type": "LinkedVerifiablePresentation",
            "serviceEndpoint": "https://registry.example.com:8000/agents/alice/whois.vp",
        },
    ]


def test_services_without_a_path_leave_well_known_out() -> None:
    """A DID at the root of a host serves its files at the root."""
    state = verify_log(LogWriter().first(body={"state": document("did:webvh:{SCID}:example.com")}).log, now_ms=NOW_MS)
    endpoints = [service["serviceEndpoint"] for service in resolved_document(state)["service"]]
    assert endpoints == ["https://example.com/", "https://example.com/whois.vp"]


@pytest.mark.parametrize("absolute", [True, False])
def test_a_stated_service_overrides_the_implicit_one(absolute: bool) -> None:
    """An own #whois, by absolute or relative id, stays alone; odd entries in the list do no harm."""
    did = template()["id"]
    own = {"id": f"{did if absolute else ''}#whois", "type": "Other", "serviceEndpoint": "ipfs://x"}
    log = LogWriter().first(body={"state": template() | {"service": [own, "odd", {}]}}).log
    services = resolved_document(verify_log(log, now_ms=NOW_MS))["service"]
    assert [service.get("type") for service in services if isinstance(service, dict)] == ["Other", None, "relativeRef"]


def test_the_parallel_did_web_is_the_same_agent() -> None:
    """did.json is the resolved document with did:web names, and each DID names the other."""
    did_web = "did:web:registry.example.com%3A8000:agents:alice"
    stated = template() | {"alsoKnownAs": [did_web, "https://alice.example", "https://alice.example", {"odd": 1}]}
    _, state = create_entry(stated, update_key=key(0), next_key_hashes=[], version_time_ms=START_MS)
    twin = parallel_did_web(state)
    assert twin is not None
    assert twin["id"] == did_web
    assert twin["alsoKnownAs"] == ["https://alice.example", state.did]
    assert twin["verificationMethod"][0]["id"] == f"{did_web}#key-1"
    assert [service["id"] for service in twin["service"]] == [f"{did_web}#files", f"{did_web}#whois"]
    assert canonicalize(twin).count(b"did:webvh:") == 1


def test_a_deactivated_did_has_no_parallel_did_web() -> None:
    """What must not be resolved as did:webvh is not published as did:web."""
    _, state = _created()
    _, ended = deactivate_entry(state, update_key=key(1), version_time_ms=START_MS + DAY_MS)
    assert parallel_did_web(ended) is None


def test_lines_are_canonical() -> None:
    """A line is the canonical JSON of the entry and a line feed, so a log has one spelling."""
    entry, _ = _created()
    line = entry_line(entry)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert canonicalize(parse_json_object(line)) + b"\n" == line
