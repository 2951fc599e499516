"""Keeping an identity: each change end to end against a real registry, each crash point, and each way to be lied to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from did_methods.timestamp import format_timestamp
from did_methods.webvh import verify_states
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.client import Agent
from registry.client.files import AgentFiles, agents_folder
from registry.client.transport import did_segment
from tests.support.client import Live

NOW_MS = SystemClock().now_ms
NAMES = iter(f"keeper-{number}" for number in range(1_000))


@pytest.fixture
def agent(live: Live) -> Agent:
    """A registered agent of its own for each test."""
    made = Agent.create(next(NAMES), live.url)
    made.register()
    return made


def _files(agent: Agent) -> AgentFiles:
    assert agent.key_file is not None
    return AgentFiles(Path(agent.key_file))


def _continuity(agent: Agent) -> dict[str, Any]:
    return agent.view().transport.get(f"/v1/agents/{did_segment(agent.did)}/continuity")


def test_next_keys_lie_apart(agent: Agent) -> None:
    """The file of every day cannot change the DID; the other one cannot speak."""
    files = _files(agent)
    assert sorted(load_key_ring(files.key_file).keys) == ["signing", "update"]
    assert sorted(load_key_ring(files.next_keys).keys) == ["nextUpdate", "reserve"]
    assert oct(files.next_keys.stat().st_mode)[-3:] == "600"


def test_a_rotation_replaces_every_key_and_costs_nothing(agent: Agent) -> None:
    """New signing key under a new id, the committed update key, a new commitment; the old key signs no more."""
    before, old = _files(agent), Agent.load(agent.name)
    held = load_key_ring(before.next_keys)
    receipt = agent.rotate()
    assert receipt.index > 0
    state = agent.states()[-1]
    assert state.update_keys == (held.keys["nextUpdate"].public_key.multikey,)
    assert load_key_ring(before.next_keys).keys["reserve"].seed == held.keys["reserve"].seed
    assert _continuity(agent)["class"] == "routine"
    again = Agent.load(agent.name)
    assert again.passport(purpose="x", capabilities=["x"], code_digest=bytes(32), model={"provider": "a", "name": "b"},
                          runtime="python").index > receipt.index  # fmt: skip
    with pytest.raises(BonafidesError):
        old.revoke("A" * 43)
    agent.rotate(keep_signing=True)
    assert len(agent.states()) == 3
    assert Agent.load(agent.name).states()[-1].version_number == 3


def test_a_did_that_is_a_key_cannot_change(live: Live) -> None:
    """There is nothing to rotate in a did:key."""
    made = Agent.create(next(NAMES), live.url, method="key")
    made.register()
    with pytest.raises(BonafidesError) as caught:
        made.rotate()
    assert caught.value.code == "did_cannot_change"


def test_without_the_next_keys_nothing_changes(agent: Agent, tmp_path: Path) -> None:
    """They may lie elsewhere, and then have to be named."""
    elsewhere = tmp_path / "offline" / "next.json"
    elsewhere.parent.mkdir()
    _files(agent).next_keys.rename(elsewhere)
    with pytest.raises(BonafidesError) as caught:
        Agent.load(agent.name).rotate()
    assert caught.value.code == "next_keys_missing"
    Agent.load(agent.name, next_keys=elsewhere).rotate()
    Agent.load(agent.name, next_keys=elsewhere).rotate()
    assert not _files(agent).next_keys.exists()


def test_next_keys_of_another_agent_are_refused(agent: Agent, live: Live) -> None:
    """Nothing is sent that the DID has not committed to."""
    other = Agent.create(next(NAMES), live.url)
    with pytest.raises(BonafidesError) as caught:
        Agent.load(agent.name, next_keys=_files(other).next_keys).rotate()
    assert caught.value.code == "next_keys_not_committed"


@pytest.mark.parametrize("lost", ["signing-file", "next-key"])
def test_lost_keys_are_recovered_with_those_that_were_kept(agent: Agent, lost: str, tmp_path: Path) -> None:
    """The main file gone: a routine rotation by the next key. The next key gone too: the reserve key, a recovery."""
    agent.rotate()
    files = _files(agent)
    kept = tmp_path / "kept.json"
    document = json.loads(files.next_keys.read_bytes())
    if lost == "next-key":
        del document["keys"]["nextUpdate"]
    kept.write_text(json.dumps(document))
    kept.chmod(0o600)
    did, url = agent.did, agent.url
    for path in files.key_file.parent.glob(f"{files.name}.*"):
        path.unlink()
    again, receipt = Agent.recover(did, kept, url=url)
    assert receipt.index > 0
    assert _continuity(again)["class"] == ("routine" if lost == "signing-file" else "recovery")
    assert Agent.load(again.name, url=url).rotate().index > receipt.index


def test_a_move_publishes_elsewhere_and_goes_on_here(agent: Agent) -> None:
    """New DID, same agent; the files to publish verify for the old DID and for the new one."""
    old = agent.did
    agent.move("https://agents.example.com/alice")
    assert agent.did.endswith(":agents.example.com:alice")
    files = agent.publishable()
    states = verify_states(files["did.jsonl"], now_ms=NOW_MS())
    assert [state.did for state in states] == [old, agent.did]
    assert json.loads(files["did.json"])["id"] == "did:web:agents.example.com:alice"
    again = Agent.load(agent.name)
    assert again.did == agent.did
    assert again.standing()["did"] == old
    again.rotate()
    assert again.standing(old)["treeSize"] >= again.standing()["treeSize"]
    with pytest.raises(BonafidesError):
        again.move("http://agents.example.com/alice")


def test_a_deactivated_did_is_at_its_end(agent: Agent) -> None:
    """Nothing follows, here and for every resolver."""
    agent.deactivate()
    assert agent.states()[-1].deactivated
    with pytest.raises(BonafidesError):
        agent.rotate()


def test_an_upgrade_repeats_the_passport_with_what_changed(agent: Agent) -> None:
    """Without a passport there is nothing to upgrade; with one the new code is an upgrade."""
    with pytest.raises(BonafidesError) as caught:
        agent.upgrade(code_digest=bytes(32))
    assert caught.value.code == "passport_missing"
    agent.passport(
        purpose="x",
        capabilities=["a", "b"],
        code_digest=bytes(32),
        model={"provider": "a", "name": "b"},
        runtime="python",
    )
    receipt = agent.upgrade(code_digest=bytes([1]) * 32)
    assert receipt.index > 0
    judged = _continuity(agent)
    assert (judged["class"], judged["reasons"]) == ("upgrade", ["code_changed"])


def test_an_owner_counter_signs_offline(agent: Agent, live: Live) -> None:
    """The agent drafts, the owner signs, the agent submits; with an owner no one-sided upgrade goes out."""
    owner = Agent.create(next(NAMES), live.url, method="key")
    owner.register()
    agent.passport(
        purpose="x", capabilities=["a"], code_digest=bytes(32), model={"provider": "a", "name": "b"}, runtime="python"
    )
    draft = agent.draft_upgrade(owner=owner.did)
    with pytest.raises(BonafidesError):
        agent.submit(draft)
    agent.submit(owner.counter_sign(draft))
    with pytest.raises(BonafidesError) as caught:
        agent.upgrade(code_digest=bytes([2]) * 32)
    assert caught.value.code == "owner_signature_needed"
    agent.submit(owner.counter_sign(agent.draft_upgrade(code_digest=bytes([2]) * 32)))


def test_instances_act_and_are_taken_away_one_by_one(agent: Agent) -> None:
    """An instance's key proves the agent, says nothing in its name, ends when it is removed, and can change nothing."""
    later = NOW_MS() + 86_400_000
    ring, _receipt = agent.add_instance("eu", expires_ms=later)
    agent.add_instance("us", speaks=True)
    found = agent.instances()
    assert [(one.name, one.speaks) for one in found] == [("eu", False), ("us", True)]
    assert format_timestamp(found[0].expires_ms or 0) == format_timestamp(later)
    eu = Agent.load(_files(agent).instance_keys("eu"))
    assert eu.did == agent.did
    assert ring.verification_method == f"{agent.did}#instance-eu"
    body = eu.present(action="data.read", resource="record:1")
    decision = agent.view().transport.post(
        "/access/v1/evaluation",
        {
            "subject": {"type": "agent", "id": agent.did},
            "action": {"name": "data.read"},
            "resource": {"type": "record", "id": "1"},
            "context": {"presentation": {"vp": body}},
        },
    )
    assert decision["decision"] is True
    with pytest.raises(BonafidesError):
        eu.passport(purpose="x", capabilities=["a"], code_digest=bytes(32), model={"digest": "A" * 43}, runtime="r")
    with pytest.raises(BonafidesError) as caught:
        eu.rotate()
    assert caught.value.code == "next_keys_missing"
    agent.remove_instance("eu")
    assert [one.name for one in agent.instances()] == ["us"]
    with pytest.raises(BonafidesError) as caught:
        agent.remove_instance("eu")
    assert caught.value.code == "instance_name_invalid"
    for name in ("EU", "", "a/b", "us"):
        with pytest.raises(BonafidesError):
            agent.add_instance(name)


# ---------------------------------------------------------------- crashes and races


class _CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("point", ["before-sending", "answer-lost", "next-saved", "main-saved", "log-saved"])
def test_a_crash_anywhere_in_a_change_loses_nothing(agent: Agent, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was written or sent by then, the next change finishes the one that was begun, and goes on from it."""
    from registry.client import keeper

    real_save, real_post = keeper.save_key_ring, Agent._post
    saved: list[str] = []

    def save(path: Path, *arguments: Any, **options: Any) -> None:
        real_save(path, *arguments, **options)
        saved.append(path.name)
        if len(saved) == {"next-saved": 2, "main-saved": 3}.get(point):
            raise _CrashError

    def post(self: Agent, *arguments: Any) -> Any:
        if point == "before-sending":
            raise _CrashError
        receipt = real_post(self, *arguments)
        if point == "answer-lost":
            raise _CrashError
        return receipt

    def forget(_self: AgentFiles) -> None:
        raise _CrashError

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "save_key_ring", save)
        patched.setattr(Agent, "_post", post)
        if point == "log-saved":
            patched.setattr(AgentFiles, "forget_pending", forget)
        with pytest.raises(_CrashError):
            agent.rotate()
    again = Agent.load(agent.name)
    assert again.rotate().index > 0
    versions = again.states()
    assert versions[-1].version_number == 3
    assert not _files(again).pending_entry.exists()
    assert not _files(again).pending_keys.exists()
    assert Agent.load(agent.name).rotate().index > 0


def test_of_two_changes_at_once_one_is_told(agent: Agent, tmp_path: Path) -> None:
    """Two machines with the same keys: the second finds the other's version, keeps its files, and nothing is overwritten."""
    files = _files(agent)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in files.key_file.parent.glob(f"{files.name}.*"):
        target = copy / path.name
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
    agent.rotate()
    other = Agent.load(copy / files.key_file.name)
    with pytest.raises(BonafidesError) as caught:
        other.rotate()
    assert caught.value.code == "next_keys_not_committed"
    assert agent.states()[-1].version_number == 2


def test_a_begun_change_that_was_overtaken_is_given_up(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry was never sent and another one came first: its keys are worthless, and the agent is told once."""
    held = load_key_ring(_files(agent).next_keys)

    def fail(*_arguments: Any) -> Any:
        raise _CrashError

    with monkeypatch.context() as patched:
        patched.setattr(Agent, "_post", fail)
        with pytest.raises(_CrashError):
            agent.rotate()
    from registry.client.keeper import KeyAccess

    ring = load_key_ring(_files(agent).key_file)
    twin = Agent(ring, url=agent.url, access=KeyAccess(next_ring=held))
    twin.rotate()
    with pytest.raises(BonafidesError) as caught:
        Agent.load(agent.name).rotate()
    assert caught.value.code == "did_change_superseded"
    assert not _files(agent).pending_entry.exists()


def test_a_registry_that_shows_another_log_is_not_built_upon(agent: Agent) -> None:
    """The agent's own record is longer than, or other than, what is shown: refused before anything is signed."""
    agent.rotate()
    files = _files(agent)
    log = files.load_log()
    extra = log + log.splitlines(keepends=True)[-1]
    files.save_log(extra)
    with pytest.raises(BonafidesError) as caught:
        Agent.load(agent.name).rotate()
    assert caught.value.code == "did_log_contradicts_record"
    files.save_log(log)
    assert Agent.load(agent.name).rotate().index > 0


# ---------------------------------------------------------------- sealed files, other signers, export


def test_sealed_keys_stay_sealed_through_a_change(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of a sealed agent is sealed, also those that a rotation writes; opened only by the passphrase."""
    name = next(NAMES)
    made = Agent.create(name, live.url, passphrase="correct horse")
    made.register()
    made.rotate()
    files = _files(made)
    for path in (files.key_file, files.next_keys):
        assert b'"sealed"' in path.read_bytes()
        assert b'"keys":' not in path.read_bytes()
    with pytest.raises(BonafidesError) as caught:
        Agent.load(name)
    assert caught.value.code == "passphrase_missing"
    monkeypatch.setenv("BONAFIDES_PASSPHRASE", "wrong")
    with pytest.raises(BonafidesError) as caught:
        Agent.load(name)
    assert caught.value.code == "seal_broken"
    monkeypatch.setenv("BONAFIDES_PASSPHRASE", "correct horse")
    opened = Agent.load(name)
    opened.protect(None)
    monkeypatch.delenv("BONAFIDES_PASSPHRASE")
    assert b'"keys":' in files.key_file.read_bytes()
    assert Agent.load(name).rotate().index > 0


class _Device:
    """Signs and gives nothing away."""

    def __init__(self, seed: bytes, method: str) -> None:
        self._key = SigningKey(seed)
        self.verification_method = method

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def test_any_signer_can_speak_for_an_agent(agent: Agent) -> None:
    """A device that only signs does for statements; changing the DID is for whoever holds its update keys."""
    ring = load_key_ring(_files(agent).key_file)
    device = Agent.with_signer(agent.did, _Device(ring.keys["signing"].seed, ring.verification_method), url=agent.url)
    assert device.passport(
        purpose="x", capabilities=["a"], code_digest=bytes(32), model={"provider": "a", "name": "b"}, runtime="python"
    ).index
    with pytest.raises(BonafidesError) as caught:
        device.rotate()
    assert caught.value.code == "next_keys_missing"


def test_an_export_is_readable_without_the_registry(agent: Agent) -> None:
    """DID log, chain, acceptances; keys only on demand."""
    agent.rotate()
    exported = agent.export()
    assert exported["format"] == "bonafides/agent-export/1"
    assert verify_states(exported["log"].encode(), now_ms=NOW_MS())[-1].did == agent.did
    assert [one["kind"] for one in exported["entries"]] == ["did_operation", "registration", "did_operation"]
    assert len(exported["acceptances"]) == 2
    assert "keys" not in exported
    keys = agent.export(include_keys=True)["keys"]
    assert {role for one in keys for role in one["keys"]} == {"signing", "update", "nextUpdate", "reserve"}


def test_an_agent_of_the_former_key_file_goes_on(live: Live) -> None:
    """A key file of format 1 has the next key in it and no reserve; its first rotation puts both apart."""
    name = next(NAMES)
    made = Agent.create(name, live.url)
    made.register()
    files = _files(made)
    main, later = json.loads(files.key_file.read_bytes()), json.loads(files.next_keys.read_bytes())
    del later["keys"]["reserve"]
    former = main | {"format": "bonafides/keys/1", "keys": main["keys"] | later["keys"]}
    files.key_file.write_text(json.dumps(former))
    files.next_keys.unlink()
    Agent.load(name).rotate()
    assert sorted(load_key_ring(files.key_file).keys) == ["signing", "update"]
    assert sorted(load_key_ring(files.next_keys).keys) == ["nextUpdate", "reserve"]
    assert agents_folder() == files.key_file.parent
