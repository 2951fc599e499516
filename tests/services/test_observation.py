"""Agents whose DIDs lie elsewhere: what is resolved from outside is logged as observed before it counts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from did_methods.method import FetchFailedError
from did_methods.webvh import move_document
from registry.limits import OBSERVATION_GAP_MS, OBSERVATIONS_AT_A_TIME
from registry.log.entry import parse_leaf
from tests.support.actor import Actor
from tests.support.elsewhere import Elsewhere, key_of, signing_with, web_url
from tests.support.hosting import next_entry
from tests.support.registry import ManualClock, World, open_world
from tests.support.resolution import PKH


@pytest.fixture
def outside(world: World) -> Elsewhere:
    """Other hosts, and a registry that asks them."""
    return Elsewhere(world)


def newest_observation(outside: Elsewhere) -> dict[str, object]:
    """Return the subject of the newest observation in the log."""
    found = [one for one in outside.world.registry.store.entries(0, 1 << 40) if one.kind == "key_observation"]
    subject: dict[str, object] = parse_leaf(found[-1].data).event["credentialSubject"]
    return subject


# ---------------------------------------------------------------- registering


def test_a_did_web_registers(outside: Elsewhere) -> None:
    """One look; what was seen and the registration enter together, in that order; its key speaks from then on."""
    world, begin = outside.world, outside.world.size
    dora = outside.web("dora")
    answer = outside.register(dora)
    assert answer.status == 201
    assert outside.kinds(begin) == ["key_observation", "registration"]
    assert [one["index"] for one in answer.json["acceptance"]["credentialSubject"]["accepted"]] == [begin + 1]
    assert answer.json["agent"]["did"] == dora.did
    subject = newest_observation(outside)
    assert subject["id"] == dora.did
    assert subject["source"] == "https"
    assert subject["keys"] == [
        {
            "id": f"{dora.did}#key-1",
            "publicKeyMultibase": key_of("dora", "first").public_key.multikey,
            "purposes": ["assertionMethod", "authentication", "capabilityDelegation", "capabilityInvocation"],
        }
    ]
    assert outside.files.asked == [web_url("dora")]
    assert world.submit(dora.vouch(world.operator.did)).status == 201
    assert world.decide(dora.request("read"))["decision"] is True


def test_the_same_registration_again_asks_nobody(outside: Elsewhere) -> None:
    """A retry gets the same promise, and no host is asked again, even when it is down by then."""
    dora = outside.web("dora")
    body = outside.registration(dora)
    first = outside.world.web.post("/v1/agents", body)
    outside.files.files.clear()
    again = outside.world.web.post("/v1/agents", body)
    assert (first.status, again.status) == (201, 200)
    assert again.json["acceptance"] == first.json["acceptance"]
    assert len(outside.files.asked) == 1


def test_a_did_webvh_of_another_host_registers(outside: Elsewhere) -> None:
    """Verified as any log is; the observation names the version, and so may a passport."""
    erin = outside.agent(outside.webvh("erin"))
    assert erin.state is not None
    assert newest_observation(outside)["versionId"] == erin.state.version_id
    assert outside.world.submit(erin.passport()).status == 201
    outside.world.clock.advance(OBSERVATION_GAP_MS)
    erin.rotate()
    outside.publish_log(erin)
    assert outside.world.submit(erin.passport()).status == 201  # its new key is not known: looked up on the way
    assert newest_observation(outside)["versionId"] == erin.state.version_id


def test_a_did_pkh_registers_where_it_is_a_key(outside: Elsewhere) -> None:
    """Didkit writes the document, and the key in it counts because the DID is that key."""
    begin, process = outside.world.size, outside.use_didkit()
    try:
        sol = outside.solana("sol")
        assert outside.register(sol).status == 201
        assert outside.kinds(begin) == ["key_observation", "registration"]
        assert newest_observation(outside)["source"] == "didkit"
        assert outside.world.submit(sol.vouch(outside.world.operator.did)).status == 201
        ether = Actor(PKH, sol.signer, outside.world.clock, outside.world.origin)
        assert outside.register(ether).code == "foreign_keys_unusable"
    finally:
        process.close()


def test_whose_keys_need_no_look(outside: Elsewhere) -> None:
    """A did:key is its key, and a DID of this host is known here or not at all: nobody is asked for them."""
    world = outside.world
    assert outside.register(world.short_lived("key")).status == 201
    assert outside.register(world.hosted("alice")).code == "did_not_published"
    web = Actor("did:web:registry.localhost%3A8000:agents:alice", world.operator.signer, world.clock, world.origin)
    assert outside.register(web).code == "did_method_not_hosted"
    assert "key_observation" not in outside.kinds(0)
    assert outside.files.asked == outside.foreign.asked == []


@pytest.mark.parametrize(
    ("file", "status", "code", "cause"),
    [
        (None, 400, "did_unresolved", "did_web_not_found"),
        (b"{}", 400, "did_unresolved", "invalid_did_document"),
        (b'{"id":"did:web:other.example"}', 400, "did_unresolved", "did_document_id_mismatch"),
        (b'{"id":1,"id":2}', 400, "did_unresolved", "json_duplicate_key"),
        (FetchFailedError(), 503, "did_unreachable", "did_fetch_failed"),
    ],
)
def test_what_does_not_resolve_does_not_register(
    outside: Elsewhere, file: bytes | FetchFailedError | None, status: int, code: str, cause: str
) -> None:
    """Its own fault is 400, a host that does not answer 503; nothing is logged, and the challenge is still good."""
    dora = outside.web("dora")
    outside.files.files[web_url("dora")] = file
    body, before = outside.registration(dora), outside.world.fingerprint()
    answer = outside.world.web.post("/v1/agents", body)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["params"]["cause"] == cause
    assert outside.world.fingerprint() == before
    outside.publish_web("dora", "first")
    assert outside.world.web.post("/v1/agents", body).status == 201


def test_a_method_that_nobody_resolves(outside: Elsewhere) -> None:
    """Said so, with the reason."""
    for did, cause in (("did:example:x", "did_method_unknown"), ("did:tz:tz1X", "did_foreign_needs_network")):
        actor = Actor(did, outside.world.operator.signer, outside.world.clock, outside.world.origin)
        answer = outside.register(actor)
        assert answer.code == "did_method_not_hosted", answer
        assert answer.json["params"]["cause"] == cause


def test_an_agent_registers_once(outside: Elsewhere) -> None:
    """A second presentation is refused before anybody's host is asked."""
    dora = outside.agent(outside.web("dora"))
    outside.files.asked.clear()
    assert outside.register(dora).code == "agent_exists"
    assert outside.files.asked == []


def test_two_registrations_at_once_make_one_agent(outside: Elsewhere) -> None:
    """Both looked, one is logged: one observation, one registration."""
    dora, begin = outside.web("dora"), outside.world.size
    bodies = [outside.registration(dora) for _ in range(4)]

    def register(body: dict[str, object]) -> str:
        try:
            outside.world.registry.agents.register(body, source=None, rates=outside.world.registry.rates)
        except BonafidesError as error:
            return error.code
        return "registered"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(register, bodies)) == ["agent_exists"] * 3 + ["registered"]
    assert outside.kinds(begin) == ["key_observation", "registration"]


def test_a_replay_looks_at_nothing(tmp_path: Path) -> None:
    """It has no present in which anybody could look."""
    with open_world(tmp_path, profile="replay") as world:
        outside = Elsewhere(world)
        with pytest.raises(BonafidesError) as caught:
            world.registry.observations.look(outside.web("dora").did)
        assert caught.value.code == "did_method_not_hosted"
        assert outside.files.asked == []


# ---------------------------------------------------------------- looking again


def test_a_change_is_logged_and_counts_from_there(outside: Elsewhere) -> None:
    """Asked to look again, the registry logs the new key; the old one speaks no more, and its word stands."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    said = dora.vouch(world.operator.did)
    assert world.submit(said).status == 201
    outside.publish_web("dora", "second")
    begin = world.size
    answer = outside.observe(dora.did)
    assert (answer.status, answer.json["changed"]) == (201, True)
    assert outside.kinds(begin) == ["key_observation"]
    assert answer.json["acceptance"]["credentialSubject"]["accepted"][0]["index"] == begin
    assert world.submit(dora.vouch(world.operator.did, strength=7)).code == "proof_invalid"
    assert world.submit(signing_with(dora, "second").vouch(world.operator.did)).status == 201
    assert world.submit(said).status == 200
    assert world.web.get(f"/v1/agents/{dora.did}").json["authorityEpoch"] == 2


def test_no_change_is_not_logged(outside: Elsewhere) -> None:
    """Other members of a document may change without a leaf; a host that is down takes nobody's keys away."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    size = world.size
    outside.publish_web("dora", "first", alsoKnownAs=["did:web:new.example"])
    answer = outside.observe(dora.did)
    assert (answer.status, answer.json["changed"], answer.json["acceptance"]) == (200, False, None)
    for file, code in ((FetchFailedError(), "did_unreachable"), (None, "did_unresolved")):
        world.clock.advance(OBSERVATION_GAP_MS)
        outside.files.files[web_url("dora")] = file
        assert outside.observe(dora.did).code == code
    assert world.size == size
    assert world.submit(dora.vouch(world.operator.did)).status == 201


def test_a_statement_with_a_new_key_makes_the_registry_look(outside: Elsewhere) -> None:
    """Under a new name or an old one; a batch does not wait for anybody's host."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    for fragment, keys in (("key-2", ("first", "second")), ("key-1", ("third",))):
        world.clock.advance(OBSERVATION_GAP_MS)
        outside.publish_web("dora", *keys)
        said = signing_with(dora, keys[-1], fragment=fragment).vouch(world.operator.did)
        assert world.batch([said]).json["results"][0]["problem"]["code"] in (
            "verification_method_not_found",
            "proof_invalid",
        )
        begin = world.size
        assert world.submit(said).status == 201
        assert outside.kinds(begin) == ["key_observation", "vouch"]


def test_a_decision_does_not_wait_for_a_look(outside: Elsewhere) -> None:
    """A presentation with a new key is denied at once; meanwhile the registry looks, and the next one is allowed."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    outside.publish_web("dora", "second")
    request = signing_with(dora, "second").request("read")
    assert world.reason(request) == "proof_invalid"
    outside.world.registry.observations._later.submit(lambda: None).result(timeout=10)
    assert world.decide(request)["decision"] is True


def test_what_waits_to_be_looked_at_is_bounded(outside: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one host is slow, each DID waits once and a few in all: decisions cannot pile up work."""
    observations = outside.world.registry.observations
    for number in range(OBSERVATIONS_AT_A_TIME + 5):
        outside.agent(outside.web(f"agent-{number}"))
    released = threading.Event()
    outside.files.before = lambda: released.wait(10)
    outside.world.clock.advance(OBSERVATION_GAP_MS)
    for _ in range(50):
        for number in range(OBSERVATIONS_AT_A_TIME + 5):
            observations.refresh_later(f"did:web:host.example.com:agent-{number}")
        observations.refresh_later("did:web:host.example.com:nobody")
    assert len(observations._waiting) == OBSERVATIONS_AT_A_TIME
    assert observations._later._work_queue.qsize() < OBSERVATIONS_AT_A_TIME
    released.set()
    observations._later.submit(lambda: None).result(timeout=10)
    assert not observations._waiting
    observations.close()
    observations.refresh_later("did:web:host.example.com:agent-0")  # stopping: no error


def test_a_slow_look_brings_no_old_key_back(outside: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen before the newest observation is not logged after it."""
    world, observations = outside.world, outside.world.registry.observations
    dora = outside.agent(outside.web("dora"))
    world.clock.advance(OBSERVATION_GAP_MS)
    outside.publish_web("dora", "thief", "first")
    slow = observations.look(dora.did)
    world.clock.advance(OBSERVATION_GAP_MS)
    outside.publish_web("dora", "second")
    assert outside.observe(dora.did).status == 201
    size = world.size
    monkeypatch.setattr(observations, "_look", lambda _did: slow)
    world.clock.advance(OBSERVATION_GAP_MS)
    assert outside.observe(dora.did).status == 200
    assert world.size == size


def test_a_deactivated_log_has_no_keys_left(outside: Elsewhere) -> None:
    """Seen once, nobody speaks for that agent any more."""
    erin = outside.agent(outside.webvh("erin"))
    said = erin.vouch(outside.world.operator.did)
    erin.deactivate()
    outside.publish_log(erin)
    assert outside.observe(erin.did).status == 201
    assert newest_observation(outside)["keys"] == []
    assert outside.world.submit(said).code == "verification_method_not_found"
    outside.world.clock.advance(OBSERVATION_GAP_MS)
    assert outside.observe(erin.did).json["changed"] is False


def test_a_log_that_moved_or_went_back_changes_nothing(outside: Elsewhere) -> None:
    """A foreign log under another name is another agent, and a shorter one is a host that takes things back."""
    erin = outside.webvh("erin")
    first = outside.files.files["https://host.example.com/agents/erin/did.jsonl"]
    erin.rotate()
    outside.publish_log(erin)
    outside.agent(erin)
    outside.files.files["https://host.example.com/agents/erin/did.jsonl"] = first
    answer = outside.observe(erin.did)
    assert (answer.code, answer.json["params"]["cause"]) == ("did_unresolved", "webvh_log_shorter")
    assert erin.state is not None
    did = erin.did
    next_entry(erin, move_document(erin.state, f"did:webvh:{erin.state.scid}:new.example.com"))
    outside.publish_log(erin)
    outside.world.clock.advance(OBSERVATION_GAP_MS)
    assert outside.observe(did).code == "foreign_did_moved"


def test_observations_outlive_a_restart(tmp_path: Path) -> None:
    """Keys are in the log, so nobody is asked at a start, and an agent whose host is gone still speaks."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        outside = Elsewhere(world)
        dora, erin = outside.agent(outside.web("dora")), outside.agent(outside.webvh("erin"))
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        outside = Elsewhere(world)
        for actor in (dora, erin):
            assert world.submit(actor.vouch(world.operator.did)).status == 201
        assert outside.files.asked == []
