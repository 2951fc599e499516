"""The parts of promises 1, 2 and 3 that an auditor can hold a registry to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from did_methods.data_integrity import sign_document
from did_methods.keys import KeySigner
from registry.audit.finding import Finding
from registry.credentials.issue import issue_vouch
from registry.history.statement import parse_statement
from registry.log.entry import Leaf, encode_leaf, parse_leaf
from tests.audit.conftest import Scene
from tests.audit.liar import Liar
from tests.audit.operator import Event, Operator
from tests.support.actor import seeded
from tests.support.registry import serve


@pytest.fixture
def operator(scene: Scene) -> Iterator[Operator]:
    """The operator, about to tamper; everything is put back afterwards."""
    with scene.operator.tampering() as tampering:
        yield tampering


def _without_proof(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def _forge(scene: Scene, signer: KeySigner, speaker: str) -> dict[str, Any]:
    """Make a vouch in the speaker's name, signed by another key."""
    alice = scene.actors["alice"]
    return issue_vouch(
        signer=KeySigner(signer.signing_key, f"{speaker}#key-1"),
        subject=scene.actors["bob"].did,
        strength=100,
        uuid="01234567-89ab-4def-8123-456789abcdef",
        now_ms=alice.clock.now_ms(),
        domain=scene.world.origin,
    )


# ---------------------------------------------------------------- 1: the agent is the root of trust


def test_promise_1_the_registry_cannot_speak_for_an_agent(scene: Scene, operator: Operator) -> None:
    """A vouch made up by the registry, perfectly linked and signed into the tree, fails under the agent's own key."""
    forged = _forge(scene, operator.registry_signer, scene.actors["alice"].did)
    operator.relog([*operator.events, (scene.world.clock.now_ms(), forged)])
    first = scene.audit(compare=False).first_at_fault
    assert first is not None
    assert (first.index, first.kind, first.code) == (scene.world.size, "vouch", "proof_invalid")


def test_promise_1_the_registrys_own_key_is_not_an_agents(scene: Scene, operator: Operator) -> None:
    """A vouch in an agent's name under the registry's own verification method is refused for whose key it is."""
    signer = operator.registry_signer
    forged = _without_proof(_forge(scene, signer, scene.actors["alice"].did))
    signed = sign_document(forged, signer=signer, created=scene.world.clock.now_ms(), domain=scene.world.origin)
    operator.relog([*operator.events, (scene.world.clock.now_ms(), signed)])
    first = scene.audit(compare=False).first_at_fault
    assert first is not None
    assert (first.index, first.code) == (scene.world.size, "issuer_key_mismatch")


def test_promise_1_a_key_that_was_rotated_out_speaks_no_more(scene: Scene, operator: Operator) -> None:
    """The registry cannot log anew, under fresh ids, what somebody signs with a stolen old key."""
    carol = scene.actors["carol"]
    old = KeySigner(seeded("carol signing 0"), carol.signer.verification_method)
    events = operator.events
    rotated = next(i for i, (_, event) in enumerate(events) if event.get("versionId", "").startswith("2-"))
    late = _without_proof(carol.vouch(scene.actors["bob"].did))
    forged = sign_document(late, signer=old, created=scene.world.clock.now_ms(), domain=scene.world.origin)
    operator.relog([*events[: rotated + 1], (scene.world.clock.now_ms(), forged)])
    first = scene.audit(compare=False).first_at_fault
    assert first is not None
    assert (first.index, first.code) == (rotated + 1, "proof_invalid")


def test_promise_1_nobody_is_registered_by_another_key(scene: Scene, operator: Operator) -> None:
    """A registration is the holder's own presentation; one signed by the registry is named."""
    at = scene.index("bob registers")
    events = operator.events

    def swap(event: Event) -> Event:
        time_ms, document = event
        if document != scene.documents["bob registers"]:
            return event
        signer = KeySigner(operator.registry_signer.signing_key, document["proof"]["verificationMethod"])
        forged = sign_document(
            _without_proof(document),
            signer=signer,
            created=time_ms,
            proof_purpose="authentication",
            domain=document["proof"]["domain"],
            challenge=document["proof"]["challenge"],
        )
        return time_ms, forged

    operator.relog([swap(event) for event in events])
    first = scene.audit(compare=False).first_at_fault
    assert first is not None
    assert (first.index, first.kind, first.code) == (at, "registration", "proof_invalid")


# ---------------------------------------------------------------- 2: one signed form for evidence


def test_promise_2_every_entry_is_a_w3c_document_with_its_proof(scene: Scene) -> None:
    """Each event is a credential, a presentation or a did:webvh entry, under eddsa-jcs-2022, and nothing else."""
    for _, event in scene.operator.events:
        proof = event["proof"]
        proofs = proof if isinstance(proof, list) else [proof]
        assert {one["cryptosuite"] for one in proofs} == {"eddsa-jcs-2022"}
        assert parse_statement(event).event_id in scene.world.registry.state.tables.events


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"vouch": {"from": "did:key:zA", "to": "did:key:zB"}, "signature": "AAAA"}, "kind_unknown"),
        ({"type": ["VerifiableCredential", "HouseCredential"]}, "credential_kind_unknown"),
        ({"type": ["VerifiableCredential", "AgentCapabilityCredential"]}, "member_missing"),
    ],
)
def test_promise_2_a_private_format_is_no_evidence(
    scene: Scene, operator: Operator, event: dict[str, Any], code: str
) -> None:
    """Whatever else an operator puts into its log is named, not counted."""
    leaves = operator.leaves
    last = parse_leaf(leaves[-1])
    operator.replace_log([*leaves, encode_leaf(Leaf(last.time_ms, "vouch", last.parties, event))])
    first = scene.audit(compare=False).first_at_fault
    assert first is not None
    assert (first.index, first.code) == (len(leaves), code)


# ---------------------------------------------------------------- 3: one truth


def _told(scene: Scene, change: Callable[[str, Any], Any]) -> list[Finding]:
    with serve(Liar(scene.world.app, change)) as url:  # type: ignore[arg-type]
        return [one for one in scene.audit(url=url).findings if one.severity == "breach"]


def test_promise_3_an_honest_proxy_is_clean(scene: Scene) -> None:
    """What the tests below find is the lie, not the proxy."""
    assert _told(scene, lambda _path, answer: answer) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [("scoreMicros", 99_000_000), ("score", 99.0), ("record", 0.0), ("state", "revoked"), ("confidenceMicros", -1)],
)
def test_promise_3_a_wrong_standing_is_named(scene: Scene, member: str, value: object) -> None:
    """Any member of an answer that the log does not give is named with both values."""
    alice = scene.actors["alice"]

    def lie(path: str, answer: Any) -> Any:
        return answer | {member: value} if path.endswith("/standing") and answer.get("did") == alice.did else answer

    (found,) = _told(scene, lie)
    assert (found.code, found.did, found.detail, found.found) == ("standing_differs", alice.did, member, str(value))
    assert found.expected not in (None, str(value))


def test_promise_3_a_wrong_factor_is_named(scene: Scene) -> None:
    """The explanation is recomputed too."""

    def lie(path: str, answer: Any) -> Any:
        if path.endswith("/standing"):
            answer["factors"]["vouches"] += 1
        return answer

    assert {(one.code, one.detail) for one in _told(scene, lie)} >= {("standing_differs", "vouches")}


def test_promise_3_a_wrong_standing_in_one_context_is_named(scene: Scene) -> None:
    """Each context is recomputed by itself."""
    bob = scene.actors["bob"]

    def lie(path: str, answer: Any) -> Any:
        hit = path.endswith("/standing") and answer["did"] == bob.did and answer["context"] == "payments"
        return answer | {"recordMicros": 1} if hit else answer

    (found,) = _told(scene, lie)
    assert (found.code, found.did, found.detail) == ("standing_differs", bob.did, "recordMicros in payments")


@pytest.mark.parametrize(
    ("member", "change", "code"),
    [
        ("treeSize", -1, "standing_stale"),
        ("treeSize", 1_000, "checkpoint_lags"),
        ("asOf", -86_400_000, "standing_instant"),
        ("asOf", 86_400_000, "standing_instant"),
    ],
)
def test_promise_3_an_answer_about_another_moment_is_named(scene: Scene, member: str, change: int, code: str) -> None:
    """The registry cannot choose the log prefix or the instant that suits it."""
    alice = scene.actors["alice"]

    def lie(path: str, answer: Any) -> Any:
        hit = path.endswith("/standing") and answer["did"] == alice.did
        return answer | {member: answer[member] + change} if hit else answer

    assert [one.code for one in _told(scene, lie)] == [code]


@pytest.mark.parametrize("member", ["state", "authorityEpoch", "registeredIndex", "registeredTime", "passport"])
def test_promise_3_a_wrong_agent_is_named(scene: Scene, member: str) -> None:
    """The list of agents is a projection as well."""

    def lie(path: str, answer: Any) -> Any:
        if path == "/v1/agents":
            answer["agents"][-1][member] = 7
        return answer

    (found,) = _told(scene, lie)
    assert (found.code, found.detail, found.found) == ("agent_differs", member, "7")


def test_promise_3_hidden_and_invented_agents_are_named(scene: Scene) -> None:
    """An agent of the log that is not listed, and one that is listed and not in the log."""

    def lie(path: str, answer: Any) -> Any:
        if path == "/v1/agents":
            answer["agents"][-1]["did"] = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
        return answer

    found = _told(scene, lie)
    assert {(one.code, one.did) for one in found} == {
        ("agent_hidden", scene.actors["carol"].did),
        ("agent_invented", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
    }


def test_promise_3_a_denied_agent_is_named(scene: Scene) -> None:
    """The registry cannot say that it does not know an agent of its log."""
    bob = scene.actors["bob"]

    class Denier:
        async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["path"].endswith("/standing") and bob.did in scope["path"]:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b"{}"})
            else:
                await scene.world.app(scope, receive, send)

    with serve(Denier()) as url:  # type: ignore[arg-type]
        found = scene.audit(url=url).findings
    assert {(one.code, one.did) for one in found} == {("standing_missing", bob.did)}
