"""Looking at DIDs elsewhere: which keys count, who may ask for a look, and how often."""

from __future__ import annotations

import pytest

from registry.limits import OBSERVATION_GAP_MS, OBSERVATIONS_AT_A_TIME, OBSERVATIONS_PER_DID_DAY
from registry.services.observation import ObservationBusyError
from tests.support.actor import Actor
from tests.support.elsewhere import Elsewhere, document, key_of, method
from tests.support.registry import DAY_MS, World


@pytest.fixture
def outside(world: World) -> Elsewhere:
    """Other hosts, and a registry that asks them."""
    return Elsewhere(world)


# ---------------------------------------------------------------- which keys


def _usable(outside: Elsewhere, name: str) -> str | None:
    dora, before = outside.web("dora"), outside.world.size
    methods = _METHODS[name]
    outside.put("dora", document(dora.did, [method(dora.did, "key-1", key, **changes) for key, changes in methods]))
    answer = outside.register(dora)
    assert (answer.status == 201) == (outside.world.size > before)
    return None if answer.status == 201 else str(answer.json.get("params", {}).get("cause", answer.code))


_GOOD = key_of("dora", "first").public_key.multikey
_METHODS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "good": [(_GOOD, {})],
    "good until tomorrow": [(_GOOD, {"expires": "2026-11-21T09:00:00Z"})],
    "expired": [(_GOOD, {"expires": "2026-11-20T09:00:00Z"})],
    "revoked": [(_GOOD, {"revoked": "2026-11-19T09:00:00Z"})],
    "controlled by another": [(_GOOD, {"controller": "did:web:other.example"})],
    "of another did": [(_GOOD, {"id": "did:web:other.example#key-1"})],
    "P-256": [("zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", {})],
    "identity point": [("z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP", {})],
    "none": [],
}


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("good", None),
        ("good until tomorrow", None),
        ("expired", "foreign_keys_unusable"),
        ("revoked", "foreign_keys_unusable"),
        ("controlled by another", "foreign_keys_unusable"),
        ("of another did", "foreign_keys_unusable"),
        ("P-256", "foreign_keys_unusable"),
        ("identity point", "key_small_order"),
        ("none", "foreign_keys_unusable"),
    ],
)
def test_only_keys_of_its_own_in_force_count(outside: Elsewhere, name: str, refusal: str | None) -> None:
    """Ed25519, controlled by the DID, under its own name, neither expired nor revoked, and sound."""
    assert _usable(outside, name) == refusal


def test_too_many_keys_are_no_key(outside: Elsewhere) -> None:
    """An observation has sixteen at most; which of more would count is nobody's guess."""
    dora = outside.web("dora", *(f"key {number}" for number in range(17)))
    assert outside.register(dora).code == "foreign_keys_unusable"
    assert outside.register(outside.web("dora", *(f"key {number}" for number in range(16)))).status == 201


# ---------------------------------------------------------------- who may ask, and how often


@pytest.fixture
def seen(outside: Elsewhere) -> tuple[Elsewhere, Actor]:
    """Give a registered agent of another host."""
    return outside, outside.agent(outside.web("dora"))


def test_a_host_is_asked_once_a_minute(seen: tuple[Elsewhere, Actor]) -> None:
    """Whoever asks; the refusal says when to come again."""
    outside, dora = seen
    assert outside.observe(dora.did).status == 200
    outside.world.clock.advance(OBSERVATION_GAP_MS - 10_000)
    refused = outside.observe(dora.did)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "request_rate_exceeded", "10")
    outside.world.clock.advance(10_000)
    assert outside.observe(dora.did).status == 200


def test_a_did_that_flickers_is_logged_so_often_a_day(seen: tuple[Elsewhere, Actor]) -> None:
    """A host that changes its keys every minute does not fill the log."""
    outside, dora = seen
    begin = outside.world.size
    for turn in range(OBSERVATIONS_PER_DID_DAY + 5):
        outside.world.clock.advance(OBSERVATION_GAP_MS)
        outside.publish_web("dora", f"turn {turn}")
        outside.observe(dora.did, client=(f"192.0.2.{turn % 2}", 1))
    assert outside.world.size == begin + OBSERVATIONS_PER_DID_DAY
    outside.world.clock.advance(DAY_MS)
    assert outside.observe(dora.did).status == 201


def test_whoever_finds_no_place_has_used_up_nothing(seen: tuple[Elsewhere, Actor]) -> None:
    """503 while all places are taken, and served at once afterwards."""
    outside, dora = seen
    observations = outside.world.registry.observations
    for _ in range(OBSERVATIONS_AT_A_TIME):
        assert observations._places.acquire(blocking=False)
    busy = outside.observe(dora.did)
    assert (busy.status, busy.code) == (503, "observation_busy")
    with pytest.raises(ObservationBusyError):
        observations.look(dora.did)
    for _ in range(OBSERVATIONS_AT_A_TIME):
        observations._places.release()
    assert outside.observe(dora.did).status == 200


def test_only_agents_elsewhere_are_looked_at(outside: Elsewhere) -> None:
    """Strangers, did:keys and hosted DIDs are not a matter of observation, and nobody is asked."""
    world = outside.world
    alice, key = world.agent("alice"), world.agent("key", short_lived=True)
    for did, code in (
        (alice.did, "observation_subject"),
        (key.did, "observation_subject"),
        (world.registry.genesis.registry_did, "agent_unknown"),
        ("did:web:host.example.com:stranger", "agent_unknown"),
    ):
        assert outside.observe(did).code == code
    assert outside.files.asked == []
