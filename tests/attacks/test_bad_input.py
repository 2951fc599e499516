"""Bad input at the writing doors: each kind has its own code, is counted, and changes nothing at all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from registry.limits import BATCH_BODY_BYTES, BATCH_LINES, EVENT_BODY_BYTES, REGISTRATION_BODY_BYTES
from tests.support.actor import Actor
from tests.support.asgi import Answer
from tests.support.registry import NDJSON, OPERATOR, World, event_text

MINUTE_MS = 60_000
OTHER_ORIGIN = "elsewhere.example/00000000"


def _bytes(document: dict[str, Any]) -> bytes:
    return httpx.Request("POST", "http://x", json=document).content


def _refused(world: World, send: Callable[[], Answer]) -> Answer:
    """Send what must be refused; check that it is a counted problem and that nothing changed."""
    before = world.fingerprint()
    answer = send()
    assert 400 <= answer.status < 500, answer
    counted = world.refusals(answer.code)
    assert counted >= 1
    assert world.fingerprint() == before
    assert send().code == answer.code or answer.code == "challenge_unknown"
    assert world.refusals(answer.code) == counted + 1
    assert world.fingerprint() == before
    return answer


@pytest.fixture
def pair(world: World) -> tuple[Actor, Actor]:
    """Two registered agents."""
    return world.agent("alice"), world.agent("bob", short_lived=True)


def _texts(vouch: bytes) -> dict[str, tuple[bytes, str]]:
    return {
        "empty": (b"", "json_syntax"),
        "truncated": (vouch[:-2], "json_syntax"),
        "half": (vouch[: len(vouch) // 2], "json_syntax"),
        "trailing": (vouch + b"x", "json_syntax"),
        "array": (b"[" + vouch + b"]", "json_not_object"),
        "duplicate key": (b'{"issuer":"did:key:z",' + vouch[1:], "json_duplicate_key"),
        "duplicate key inside": (vouch.replace(b'"strength":', b'"strength":99,"strength":'), "json_duplicate_key"),
        "deep": (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "json_too_deep"),
        "latin-1": (vouch[:-1] + b',"x":"caf\xe9"}', "json_encoding"),
        "utf-16": (vouch.decode().encode("utf-16"), "json_encoding"),
        "bom": (b"\xef\xbb\xbf" + vouch, "json_encoding"),
        "lone surrogate": (vouch[:-1] + b',"x":"\\ud800"}', "json_lone_surrogate"),
        "large integer": (vouch.replace(b'"strength":50', b'"strength":9007199254740993'), "json_number_range"),
        "infinity": (vouch.replace(b'"strength":50', b'"strength":1e999'), "json_number_range"),
        "nan": (vouch.replace(b'"strength":50', b'"strength":NaN'), "json_number_range"),
        "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "json_encoding"),
    }


@pytest.mark.parametrize("name", list(_texts(b"{}")))
def test_text_that_is_not_one_strict_object(world: World, pair: tuple[Actor, Actor], name: str) -> None:
    """Truncated, duplicate-keyed, deep and wrongly encoded text is refused with the codec's own code."""
    alice, bob = pair
    body, code = _texts(_bytes(alice.vouch(bob.did)))[name]
    for target in ("/v1/events", "/v1/agents", f"/v1/agents/{alice.did}/did-log"):
        assert _refused(world, lambda at=target: world.web.post(at, body)).code == code  # type: ignore[misc]


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ("/v1/events", EVENT_BODY_BYTES),
        ("/v1/agents", REGISTRATION_BODY_BYTES),
        ("/v1/agents/{did}/did-log", EVENT_BODY_BYTES),
        ("/v1/challenges", 4_096),
        ("/v1/events:batch", BATCH_BODY_BYTES),
    ],
)
@pytest.mark.parametrize("how", ["declared", "chunked", "lying"])
def test_an_oversized_body_is_cut_off(
    world: World, pair: tuple[Actor, Actor], target: str, limit: int, how: str
) -> None:
    """A body over the limit is refused whether its length is declared, not declared, or declared falsely."""
    target = target.replace("{did}", pair[0].did)
    headers = dict(NDJSON) if "batch" in target else {"content-type": "application/json"}
    body: bytes | list[bytes] = b" " * (limit + 1) if how == "declared" else [b" " * (limit // 2 + 1)] * 2
    if how == "lying":
        headers["content-length"] = "10"
    answer = _refused(world, lambda: world.web.send("POST", target, body=body, headers=headers))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_declared_size_is_refused_unread(world: World) -> None:
    """A declared oversize is refused before a byte of it is read."""
    headers = {"content-type": "application/json", "content-length": "99999999"}
    answer = world.web.send("POST", "/v1/events", body=[b"{}"], headers=headers)
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_that_breaks_off_is_counted(world: World) -> None:
    """A caller that hangs up in the middle changes nothing and is no defect of ours."""
    before = world.fingerprint()
    headers = {"content-type": "application/json"}
    answer = world.web.send("POST", "/v1/events", body=[b'{"a":'], headers=headers, hang_up=True)
    assert answer.code == "body_incomplete"
    assert world.fingerprint() == before


def test_a_batch_has_a_line_limit(world: World) -> None:
    """More lines than one transaction takes are refused as a whole, blank ones included."""
    for line in (b"{}\n", b"\n"):
        answer = _refused(
            world,
            lambda one=line: world.web.post("/v1/events:batch", one * (2 * BATCH_LINES + 2), headers=NDJSON),  # type: ignore[misc]
        )
        assert (answer.status, answer.code) == (413, "batch_too_long")


def test_a_leaf_larger_than_the_format_allows(world: World, pair: tuple[Actor, Actor]) -> None:
    """A document that fits the body but not a leaf is told by its leaf."""
    alice, bob = pair
    digests = [base64url_encode(bytes([number]) * 32) for number in range(64)]
    vouch = alice.vouch(bob.did, commitments=digests)
    assert world.submit(vouch).status == 201  # 64 digests are the most there are, and they fit
    carol = world.hosted("carol")
    capabilities = [alice.capability(carol.did, "a" * 60, "b" * 60) for _ in range(8)]
    before = world.fingerprint()
    answer = world.web.post("/v1/agents", carol.registration(world.challenge(), credentials=capabilities))
    assert (answer.status, answer.code) == (413, "leaf_too_large")
    assert world.fingerprint() == before


def _altered(alice: Actor, bob: Actor, mallory: Actor, clock_ms: int) -> dict[str, tuple[dict[str, Any], str]]:
    good = alice.vouch(bob.did)
    forged = copy.deepcopy(good)
    forged["proof"]["proofValue"] = alice.vouch(bob.did)["proof"]["proofValue"]
    stronger = copy.deepcopy(good)
    stronger["credentialSubject"]["strength"] = 100
    swapped = sign_document({k: v for k, v in good.items() if k != "proof"}, signer=mallory.signer, created=clock_ms,
                            domain=alice.origin)  # fmt: skip
    purpose = sign_document({k: v for k, v in good.items() if k != "proof"}, signer=alice.signer, created=clock_ms,
                            domain=alice.origin, proof_purpose="authentication")  # fmt: skip
    return {
        "another signature": (forged, "proof_invalid"),
        "altered after signing": (stronger, "proof_invalid"),
        "signed by a stranger": (swapped, "issuer_key_mismatch"),
        "signed for another purpose": (purpose, "proof_purpose_invalid"),
        "for another registry": (alice.vouch(bob.did, domain=OTHER_ORIGIN), "domain_mismatch"),
        "back-dated": (alice.vouch(bob.did, now_ms=clock_ms - 11 * MINUTE_MS), "created_too_old"),
        "post-dated": (alice.vouch(bob.did, now_ms=clock_ms + 11 * MINUTE_MS), "created_in_future"),
        "about a stranger": (alice.vouch(mallory.did), "agent_unknown"),
        "by a stranger": (mallory.vouch(bob.did), "agent_unknown"),
        "not logged": (alice.capability(bob.did, "read"), "kind_not_logged"),
        "without a proof": ({k: v for k, v in good.items() if k != "proof"}, "member_missing"),
        "not a credential": ({"type": ["Something"], "proof": {}}, "kind_unknown"),
    }


CASES = (
    "another signature", "altered after signing", "signed by a stranger", "signed for another purpose",
    "for another registry", "back-dated", "post-dated", "about a stranger", "by a stranger", "not logged",
    "without a proof", "not a credential",
)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("door", ["event", "wrapped", "batch"])
def test_a_statement_that_does_not_hold(world: World, pair: tuple[Actor, Actor], name: str, door: str) -> None:
    """A well-formed statement with a wrong signature, time, domain, signer or kind is refused at every door."""
    document, code = _altered(*pair, world.short_lived("mallory"), world.clock.now_ms())[name]
    if door == "batch":
        before = world.fingerprint()
        (result,) = world.batch([document]).json["results"]
        assert result["problem"]["code"] == code
        assert world.refusals(code) == 1
        assert world.fingerprint() == before
        return
    body = document if door == "event" else {"event": document, "openings": []}
    assert _refused(world, lambda: world.submit(body)).code == code


def test_the_window_around_log_time_is_ten_minutes(world: World, pair: tuple[Actor, Actor]) -> None:
    """Just inside the window counts, just outside does not, both ways; it is the time of arrival that matters."""
    alice, bob = pair
    now = world.clock.now_ms()
    for step, status in ((-10, 201), (10, 201)):
        assert world.submit(alice.vouch(bob.did, now_ms=now + step * MINUTE_MS)).status == status
    late = alice.vouch(bob.did)
    world.clock.advance(10 * MINUTE_MS + 1_000)
    assert _refused(world, lambda: world.submit(late)).code == "created_too_old"


def test_reordered_members_are_the_same_event(world: World, pair: tuple[Actor, Actor]) -> None:
    """The same document in another order, with white space or escapes, is answered with its first index, a day later too."""
    alice, bob = pair
    vouch = alice.vouch(bob.did)
    first = world.submit(vouch)
    before = world.fingerprint()
    world.clock.advance(24 * 60 * MINUTE_MS)
    shuffled = dict(reversed([*vouch.items()])) | {
        "credentialSubject": dict(reversed(vouch["credentialSubject"].items()))
    }
    spaced = _bytes(vouch).replace(b",", b" ,\n\t").replace(b'"strength"', b'"\\u0073trength"')
    for body in (shuffled, canonicalize(vouch), spaced):
        again = world.web.post("/v1/events", body)
        assert again.status == 200
        assert again.json["acceptance"] == first.json["acceptance"]
    (result,) = world.batch([shuffled]).json["results"]
    assert result == {"index": world.index_of(vouch), "repeated": True}
    assert world.fingerprint() == before


def test_openings_must_open_what_was_signed(world: World, pair: tuple[Actor, Actor]) -> None:
    """Openings beside a statement that do not belong to its commitments are refused with the statement."""
    alice, bob = pair
    body = {"event": alice.vouch(bob.did, commitments=["A" * 43]), "openings": ["WyJzYWx0Il0"]}
    _refused(world, lambda: world.submit(body))


def test_openings_of_refused_statements_are_not_kept(world: World, pair: tuple[Actor, Actor]) -> None:
    """Private text is stored only beside an entry of the log, so nobody fills the database with refused events."""
    from registry.credentials.commitments import make_disclosure

    alice, bob = pair
    opening = make_disclosure("note", "private", salt=b"s" * 32)
    good = alice.vouch(bob.did, commitments=[opening.digest])
    stranger = world.short_lived("mallory").vouch(bob.did, commitments=[opening.digest])
    answer = world.batch([{"event": one, "openings": [opening.text]} for one in (good, stranger)])
    assert [sorted(one) for one in answer.json["results"]] == [["index", "repeated"], ["problem"]]
    assert event_text(good) == answer.json["acceptance"]["credentialSubject"]["accepted"][0]["event"]
    from did_methods.data_integrity import event_id

    openings = world.registry.erasure_room.openings
    assert openings.of_event(event_id(good)) == [opening.text]
    assert openings.of_event(event_id(stranger)) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"did": 1, "reason": "x"},
        {"did": "did:key:z", "reason": "x"},
        {"did": "x", "reason": "not a slug!"},
        {"x": 1},
    ],
)
def test_operator_input_is_checked_too(world: World, body: dict[str, Any]) -> None:
    """The operator's own requests are refused like anybody's when they are malformed."""
    for target in ("/v1/quarantines", "/v1/releases"):
        _refused(world, lambda at=target: world.web.post(at, body, headers=OPERATOR))  # type: ignore[misc]
