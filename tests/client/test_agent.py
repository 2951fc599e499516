"""An agent makes, keeps and uses its identity; what the registry acknowledges is verified and kept."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.data_integrity import event_id
from registry.adapters.key_file import KeyFileExistsError, KeyFileExposedError, KeyFileFormatError
from registry.adapters.system_clock import SystemClock
from registry.client import Agent, RegistryRefusedError, RegistryUnreachableError
from registry.client.agent import KEY_FILE_VARIABLE, KEY_VARIABLE
from registry.client.errors import (
    AcceptanceError,
    AgentKeyMissingError,
    AgentMethodError,
    AgentNameError,
    FirstEntryMissingError,
    PresentationArgumentsError,
    RegistryChangedError,
    RegistryNotChosenError,
)
from registry.credentials.commitments import parse_disclosure
from registry.errors import ParseError
from tests.support.client import Live
from tests.support.registry import open_world, serve

PUBLIC = "https://registry.localhost:8000"


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    """A new identity's file has mode 0600 in a folder of mode 0700, and asks nobody when the address is known."""
    agent = Agent.create("alice", public_url=PUBLIC)
    path = tmp_path / "agents" / "alice.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert ":registry.localhost%3A8000:agents:" in agent.did
    assert "seed" not in repr(agent)


def test_a_name_stays_at_home_unless_it_is_to_be_public() -> None:
    """The DID and its first entry end in random letters, of which no two are alike; asked for, they end in the name."""
    agent, other = Agent.create("ada-lovelace", public_url=PUBLIC), Agent.create("another", public_url=PUBLIC)
    assert agent.name == "ada-lovelace"
    entry = (Path(str(agent.key_file)).parent / "ada-lovelace.did.jsonl").read_text()
    assert "ada" not in agent.did.rpartition(":")[2]
    assert "ada-lovelace" not in entry
    ends = {one.did.rpartition(":")[2] for one in (agent, other)}
    assert len(ends) == 2
    assert all(re.fullmatch("[a-z2-7]{16}", end) for end in ends)
    public = Agent.create("charles", public_url=PUBLIC, public_name=True)
    assert public.did.endswith(":registry.localhost%3A8000:agents:charles")


def test_the_first_entry_commits_to_the_next_key() -> None:
    """A did:webvh starts with pre-rotation on and portable, and its first entry lies beside the keys."""
    agent = Agent.create("alice", public_url=PUBLIC)
    entry = parse_json_object((Path(str(agent.key_file)).parent / "alice.did.jsonl").read_bytes())
    assert entry["parameters"]["portable"] is True
    assert len(entry["parameters"]["nextKeyHashes"]) == 2  # the next key, and one in reserve
    assert entry["state"]["id"] == agent.did


def test_keys_are_never_overwritten() -> None:
    """A name that is taken on this machine is refused, and the keys stay as they were."""
    first = Agent.create("alice", public_url=PUBLIC)
    with pytest.raises(KeyFileExistsError):
        Agent.create("alice", public_url=PUBLIC)
    assert Agent.load("alice").did == first.did


@pytest.mark.parametrize("name", ["", "Alice", "a b", "-a", "a/b", "../a", "a" * 64, "ä"])
def test_names_that_no_did_can_end_in(name: str) -> None:
    """A name becomes a part of a path and of a DID, so it is checked before anything is written."""
    with pytest.raises(AgentNameError):
        Agent.create(name, public_url=PUBLIC)


def test_a_hosted_identity_needs_its_host() -> None:
    """Without a registry and without its address nobody can say where the DID lives."""
    with pytest.raises(RegistryNotChosenError):
        Agent.create("alice")


def test_an_exposed_key_file_is_refused() -> None:
    """A key that others can read is not used before its mode is right again."""
    agent = Agent.create("alice", public_url=PUBLIC)
    Path(str(agent.key_file)).chmod(0o640)
    with pytest.raises(KeyFileExposedError):
        Agent.load("alice")


def test_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key file's content may come in a variable; nothing is written then."""
    agent = Agent.create("alice", method="key")
    monkeypatch.setenv(KEY_VARIABLE, Path(str(agent.key_file)).read_text())
    loaded = Agent.load()
    assert (loaded.did, loaded.key_file) == (agent.did, None)


def test_keys_from_a_mounted_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted secret has the mode that its platform gives it."""
    agent = Agent.create("alice", method="key")
    mounted = tmp_path / "secret"
    mounted.write_bytes(Path(str(agent.key_file)).read_bytes())
    mounted.chmod(0o444)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(mounted))
    assert Agent.load().did == agent.did


def test_no_key_and_no_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no identity is told so; something else than a key file is not taken for one."""
    with pytest.raises(AgentKeyMissingError):
        Agent.load()
    with pytest.raises(AgentKeyMissingError):
        Agent.load("nobody")
    monkeypatch.setenv(KEY_VARIABLE, '{"format":"bonafides/keys/2"}')
    with pytest.raises(KeyFileFormatError):
        Agent.load()


@pytest.mark.parametrize("method", ["webvh", "key"])
def test_an_agent_registers_itself(live: Live, method: str) -> None:
    """Challenge, presentation, publication: afterwards the registry knows the agent and its DID resolves."""
    agent = live.agent(method=method)
    assert agent.standing()["score"] == 25
    assert live.world.registry.state.find_agent(agent.did) is not None
    if method == "webvh":
        assert agent.view().resolve(agent.did).id == agent.did


def test_registering_twice_is_a_conflict(live: Live) -> None:
    """One agent is registered once; the error carries the registry's own code."""
    agent = live.agent()
    with pytest.raises(RegistryRefusedError) as caught:
        agent.register()
    assert (caught.value.problem_code, caught.value.status) == ("agent_exists", 409)


def test_a_hosted_agent_without_its_first_entry_cannot_register(live: Live) -> None:
    """The first entry cannot be made again, so nothing is sent without it."""
    agent = live.agent(method="webvh", registered=False)
    Path(str(agent.key_file)).with_name(f"{agent.name}.did.jsonl").unlink()
    with pytest.raises(FirstEntryMissingError):
        Agent.load(str(agent.key_file)).register()


def test_what_was_acknowledged_is_kept_and_provable(live: Live) -> None:
    """Every acceptance is kept in a file, and every event in it is in the log where it was promised."""
    alice, bob = live.agent(method="webvh"), live.agent()
    receipt = alice.vouch(bob.did, strength=70, context="payments")
    kept = Agent.load(str(alice.key_file)).acknowledged()
    assert [one.event for one in kept][-1] == receipt.event
    assert len(kept) == 3  # the DID's entry, the registration, the vouch
    live.world.registry.log.sign_if_grown()
    for one in kept:
        assert alice.view().verify_included(one).checkpoint.size > one.index


def test_an_acceptance_of_something_else_is_refused(live: Live) -> None:
    """A promise counts only if it is the registry's, of this log, untouched, and names what was sent."""
    alice, bob = live.agent(), live.agent()
    receipt = alice.vouch(bob.did)
    view, good = alice.view(), dict(receipt.document)
    other = alice.report(bob.did).document
    sent = [bytes.fromhex("00" * 32)]
    with pytest.raises(AcceptanceError):
        view.verify_acceptance(good, events=sent)
    changed = good | {"credentialSubject": other["credentialSubject"]}
    foreign = bob.grant(alice.did, actions=["read"])
    for wrong in (None, {}, "text", changed, foreign):
        with pytest.raises(AcceptanceError):
            view.verify_acceptance(wrong, events=())


def test_another_registry_at_the_same_address_is_noticed(live: Live) -> None:
    """The log's origin and the registry's DID are pinned at the first contact."""
    agent = live.agent()
    pinned = Path(str(agent.key_file)).with_name(f"{agent.name}.registry.json")
    document = parse_json_object(pinned.read_bytes())
    pinned.write_bytes(canonicalize(document | {"origin": "elsewhere/00000000"}))
    with pytest.raises(RegistryChangedError):
        Agent.load(str(agent.key_file)).vouch(live.agent().did)


def test_an_agent_may_choose_another_registry(live: Live, tmp_path: Path) -> None:
    """Registering elsewhere on purpose pins the other registry; the keys stay the same."""
    agent = live.agent()
    with open_world(tmp_path / "other", clock=SystemClock(), dev=True) as other, serve(other.app) as url:
        agent.register(url)
        assert agent.present(challenge="c")["proof"]["domain"] == other.origin != live.world.origin
        assert Agent.load(str(agent.key_file)).known_url == url
        assert len(Agent.load(str(agent.key_file)).acknowledged()) == 1


def test_a_method_that_is_none() -> None:
    """Nothing is made for a DID method that agents do not have."""
    with pytest.raises(AgentMethodError):
        Agent.create("alice", public_url=PUBLIC, method="web")


def test_vouch_report_and_revocation(live: Live) -> None:
    """A root's vouch lifts, taking it back takes it away; a report without a voice moves nothing."""
    alice, root = live.agent(), live.root
    receipt = root.vouch(alice.did)
    lifted = alice.standing()["score"]
    assert lifted > 25
    live.agent().report(alice.did, severity=100, category="fraud")
    assert alice.standing()["score"] == pytest.approx(lifted, abs=0.02)
    root.revoke(receipt.event)
    assert alice.standing()["score"] <= 25


def test_only_ones_own_statements_can_be_taken_back(live: Live) -> None:
    """A revocation of somebody else's vouch is refused, and one of nothing is not found."""
    alice, bob = live.agent(), live.agent()
    receipt = alice.vouch(bob.did)
    with pytest.raises(RegistryRefusedError):
        bob.revoke(receipt.event)
    with pytest.raises(RegistryRefusedError) as caught:
        alice.revoke("A" * 43)
    assert caught.value.status == 404


def test_a_self_vouch_is_not_even_sent(live: Live) -> None:
    """What the formats forbid is refused on this side."""
    agent = live.agent()
    before = live.world.size
    with pytest.raises(ParseError) as caught:
        agent.vouch(agent.did)
    assert caught.value.code == "self_vouch"
    assert live.world.size == before


def test_private_particulars_stay_out_of_the_log(live: Live) -> None:
    """The log holds a commitment; the opening travels beside it and opens it."""
    alice, bob = live.agent(), live.agent()
    receipt = alice.report(bob.did, private={"invoice": "2026-117-secret"})
    answer = alice.view().transport.get(f"/v1/events/{receipt.event}")
    assert len(answer["leaf"]["event"]["credentialSubject"]["commitments"]) == 1
    assert b"secret" not in canonicalize(answer)


def test_a_passport_is_bound_to_the_dids_version(live: Live) -> None:
    """A did:webvh agent's passport names the version of its DID; a did:key's names none."""
    given = {
        "purpose": "bookkeeping",
        "capabilities": ["payments"],
        "code_digest": hashlib.sha256(b"code").digest(),
        "model": {"provider": "example", "name": "model-1"},
        "runtime": "python",
    }
    hosted, short = live.agent(method="webvh"), live.agent()
    event = hosted.view().transport.get(f"/v1/events/{hosted.passport(**given).event}")["leaf"]["event"]
    assert event["credentialSubject"]["versionId"].startswith("1-")
    event = short.view().transport.get(f"/v1/events/{short.passport(**given).event}")["leaf"]["event"]
    assert "versionId" not in event["credentialSubject"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "a.read"},
        {"resource": "a:b"},
        {"action": "a.read", "resource": "a:b", "challenge": "c"},
    ],
)
def test_a_presentation_is_for_one_thing(given: dict[str, str]) -> None:
    """Either one exact action or one challenge: anything between would prove too much."""
    agent = Agent.create("alice", method="key")
    with pytest.raises(PresentationArgumentsError):
        agent.present(domain="log.example/1", **given)


def test_a_presentation_needs_no_call_once_registered(live: Live) -> None:
    """The log's origin is pinned, so an agent can prove itself while the registry is away."""
    agent = Agent.load(str(live.agent().key_file), url="http://127.0.0.1:1")
    proof = agent.present(action="payments.read", resource="invoice:42")
    assert proof["proof"]["domain"] == live.world.origin
    with pytest.raises(RegistryUnreachableError):
        agent.standing()


def test_the_same_statement_sent_again_keeps_its_place(live: Live) -> None:
    """A repeated submission is answered with the first place and adds nothing."""
    alice, bob = live.agent(), live.agent()
    first = alice.vouch(bob.did)
    document = alice.view().transport.get(f"/v1/events/{first.event}")["leaf"]["event"]
    size = live.world.size
    assert alice.submit(document).index == first.index
    assert live.world.size == size
    assert event_id(document)


def test_disclosures_have_fresh_salts() -> None:
    """Two commitments to the same value cannot be told to be the same."""
    from registry.client.speaker import make_disclosures

    texts = [make_disclosures({"name": "value"})[0].text for _ in range(2)]
    assert texts[0] != texts[1]
    assert parse_disclosure(texts[0]).value == "value"
