"""What somebody hostile sends to the doors of the VC-API: bodies, keys, contexts, floods; and what becomes of everybody else."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from registry.api.workers import VerificationBusyError, Workers
from registry.credentials.jose import sign_vc_jwt
from registry.limits import (
    CREDENTIAL_BODY_BYTES,
    PRESENTATION_BODY_BYTES,
    VERIFICATIONS_AT_A_TIME,
    VERIFICATIONS_WAITING,
)
from tests.support.registry import GATEWAY, OPERATOR, World, open_world
from tests.support.vc_api import V2, Party, credential, issue, verify, verify_presentation

MALLORY, VICTIM = Party.named("mallory"), Party.named("victim")
MARK = "zzMARKzz"
LOCAL = "http://registry.localhost:8000"
DECISION = {
    "subject": {"type": "agent", "id": "did:key:z6Mk"},
    "action": {"name": "a.read"},
    "resource": {"type": "t", "id": "1"},
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open one registry for the tests of this module; none of them depends on another."""
    with open_world(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


HOSTILE_JSON = [
    (b"", "json_syntax"),
    (b"{", "json_syntax"),
    (b"[]", "json_not_object"),
    (b'"text"', "json_not_object"),
    (b"\xff\xfe{}", "json_encoding"),
    (b'{"verifiableCredential": {}, "verifiableCredential": {}}', "json_duplicate_key"),
    (b'{"verifiableCredential": {"issuer": "a", "issuer": "b"}}', "json_duplicate_key"),
    (b'{"verifiableCredential": NaN}', None),
    (b'{"verifiableCredential": 1e400}', None),
    (b'{"verifiableCredential": 9007199254740993}', None),
    (b'{"verifiableCredential": "\\ud800"}', None),
    (b'{"\\udc00": 1}', None),
    (b'{"verifiableCredential": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    (b'{"verifiableCredential": [' + b"0," * 100_000 + b"0]}", None),
]


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify", "/credentials/issue"])
@pytest.mark.parametrize("number", range(len(HOSTILE_JSON)))
def test_hostile_json_has_a_code(desk: World, path: str, number: int) -> None:
    """No body is read in two ways, none makes a defect, and nothing of it comes back."""
    body, code = HOSTILE_JSON[number]
    answer = desk.web.post(path, body, headers=OPERATOR)
    assert answer.status == 400, answer
    assert answer.code.startswith(("json_", "number_")), answer
    assert code is None or answer.code == code
    assert len(answer.body) < 600


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/credentials/issue", CREDENTIAL_BODY_BYTES),
        ("/credentials/verify", CREDENTIAL_BODY_BYTES),
        ("/presentations/verify", PRESENTATION_BODY_BYTES),
        ("/challenges", 4_096),
    ],
)
def test_a_body_has_an_end(desk: World, path: str, most: int) -> None:
    """A string of two megabytes is refused by its length, declared or not."""
    large = b'{"verifiableCredential": "' + b"a" * 2_000_000 + b'"}'
    assert (desk.web.post(path, large, headers=OPERATOR)).code == "body_too_large"
    chunks = [large[begin : begin + most] for begin in range(0, len(large), most)]
    answer = desk.web.send("POST", path, body=chunks, headers={**OPERATOR, "content-type": "application/json"})
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        True,
        [],
        {},
        "",
        MARK,
        "did:key:z6Mk",
        "{}",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
        [MALLORY.credential()],
        {"proof": None},
        {"proof": []},
        {"proof": [None]},
        {"proof": MARK},
        {"proof": {"type": MARK}},
        {"type": "EnvelopedVerifiableCredential", "id": MARK},
        {"type": ["EnvelopedVerifiableCredential"], "id": "data:application/vc+jwt," + MARK},
        {"type": "EnvelopedVerifiableCredential", "id": f"data:text/html,{MARK}"},
        {"@context": [V2], "type": [MARK]},
    ],
)
def test_no_value_is_a_defect(desk: World, value: Any) -> None:
    """Whatever stands where a credential or presentation should: 400, `verified` false, problems, and no echo."""
    for answer in (verify(desk, value), verify_presentation(desk, value, challenge="c")):
        assert answer.status == 400, answer
        assert answer.json["verified"] is False
        assert answer.json["problemDetails"]
        assert MARK.encode() not in answer.body


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return where a value lies in another."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from _paths(member, (*path, name))


@pytest.mark.parametrize("wrong", [None, 1.5, [], {}, [[]], [None], {"type": []}, ["a", "a"]], ids=repr)
@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "Ed25519Signature2020", "Ed25519Signature2018"])
def test_no_member_of_another_type_is_a_defect(desk: World, suite: str, wrong: Any) -> None:
    """Each member of a presentation and of what it shows, put in another type, is refused or passed over; none makes a defect."""
    proof = {"type": suite} if suite.startswith("Ed") else {}
    whole = MALLORY.presentation(MALLORY.credential(VICTIM.did), challenge="c")
    whole["proof"] |= proof
    for path in list(_paths(whole))[1:]:
        attacked = copy.deepcopy(whole)
        holder = attacked
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = wrong
        for answer in (verify_presentation(desk, attacked), verify(desk, attacked["verifiableCredential"])):
            assert answer.status in (200, 400), (path, answer)


def test_a_missing_member_is_a_problem(desk: World) -> None:
    """A request without what is to be verified says which member is missing."""
    for path, wrong in (("/credentials/verify", "verifiablePresentation"), ("/presentations/verify", "presentation")):
        answer = desk.web.post(path, {wrong: {}}, headers=GATEWAY)
        assert (answer.status, answer.code) == (400, "vc_api_request_invalid")


def test_a_credential_speaks_for_its_signer_only(desk: World) -> None:
    """Another issuer's name, a key of another DID, a wrong fragment, a wrong purpose: none makes it the victim's."""
    mine = MALLORY.credential()
    named = mine | {"issuer": VICTIM.did}
    assert verify(desk, named).json["errors"] == ["proof_invalid"]
    forged = _signed(credential(VICTIM.did), MALLORY.signer.verification_method)
    assert verify(desk, forged).json["errors"] == ["issuer_key_mismatch"]
    borrowed = _signed(credential(VICTIM.did), VICTIM.signer.verification_method)
    assert verify(desk, borrowed).json["errors"] == ["proof_invalid"]
    crossed = f"{VICTIM.did}#{MALLORY.did.removeprefix('did:key:')}"
    assert verify(desk, _signed(credential(VICTIM.did), crossed)).status == 400
    wrong = _signed(credential(MALLORY.did), MALLORY.signer.verification_method, purpose="authentication")
    assert verify(desk, wrong).status == 400


def _signed(document: dict[str, Any], method: str, *, purpose: str = "assertionMethod") -> dict[str, Any]:
    """Sign with Mallory's key under any verification method."""
    from did_methods.data_integrity import sign_document
    from tests.support.registry import START_MS

    signer = KeySigner(MALLORY.signer.signing_key, method)
    return sign_document(document, signer=signer, created=START_MS, proof_purpose=purpose)


def test_no_did_that_syntax_refuses_is_looked_up(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verification method that is no DID URL with a fragment and nothing else reaches no resolver."""
    asked: list[str] = []

    def refuse(_self: Any, did: str, _options: Any) -> Any:
        asked.append(did)
        raise AssertionError(did)

    monkeypatch.setattr(type(desk.registry.resolution), "resolve", refuse)
    for method in (
        "https://elsewhere.example/key#1",
        "did:web:elsewhere.example/..#1",
        "did:web:elsewhere.example?versionId=1#1",
        "did:WEB:elsewhere.example#1",
        "did:web:user@elsewhere.example#1",
        "did:web:elsewhere.example",
        "did:key:z6MkBroken#z6MkBroken",
    ):
        assert verify(desk, _signed(credential(MALLORY.did), method)).status == 400, method
    assert asked == []


def test_contexts_are_never_fetched_and_never_change_a_meaning(desk: World) -> None:
    """Unknown contexts, redefined terms and undefined ones are refused in every suite, also where the signature holds."""
    plain = {
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": MALLORY.did,
        "credentialSubject": {"id": "did:example:abc"},
    }
    for change in (
        {"@context": [V2, "https://elsewhere.example/context/v1"]},
        {"@context": [V2, {"VerifiableCredential": "https://elsewhere.example/something-else"}]},
        {"@context": [V2, {"@vocab": None}], "type": ["VerifiableCredential", "NobodysType"]},
        {"nobodysTerm": 1},
        {"credentialSubject": {"id": "did:example:abc", "nobodysTerm": "x"}},
    ):
        document = _signed(plain | change, MALLORY.signer.verification_method)
        answer = verify(desk, document)
        assert answer.status == 400, change
        assert answer.json["errors"][0].startswith("json_ld_"), (change, answer)
    inline = _signed(
        plain | {"@context": [V2, {"myTerm": "https://mallory.example/t"}], "myTerm": "x"},
        MALLORY.signer.verification_method,
    )
    assert verify(desk, inline).status == 200


def test_an_envelope_brings_no_key_and_no_algorithm(desk: World) -> None:
    """`none`, a key in the header, a critical extension, a presentation as a credential: none of them opens the door."""
    good = sign_vc_jwt(credential(MALLORY.did), signer=MALLORY.signer, algorithm="EdDSA")
    header, body, signature = good.split(".")
    told = parse_json_object(base64url_decode(header))
    for change in (
        {"alg": "none"},
        {"alg": "HS256"},
        {"jwk": {"kty": "OKP"}},
        {"jku": "https://elsewhere.example/keys"},
        {"crit": ["b64"], "b64": False},
        {"typ": "vp+jwt"},
        {"kid": VICTIM.signer.verification_method},
    ):
        forged = base64url_encode(canonicalize(told | change))
        for last in (signature, ""):
            assert verify(desk, f"{forged}.{body}.{last}").status == 400, change
    assert verify(desk, good).status == 200
    assert verify(desk, good + "=").status == 400


def test_a_poison_graph_stops_nobody(desk: World) -> None:
    """A document whose canonical form takes for ever is refused, and the next one is verified as if nothing was."""
    subjects: list[dict[str, Any]] = [
        {"id": f"_:b{one}", "relatedTo": [{"id": f"_:b{other}"} for other in range(40) if other != one]}
        for one in range(40)
    ]
    poison = {
        "@context": [V2, {"relatedTo": "https://mallory.example/r"}],
        "type": ["VerifiableCredential"],
        "issuer": MALLORY.did,
        "credentialSubject": subjects,
    }
    document = _signed(poison, MALLORY.signer.verification_method)
    document["proof"]["cryptosuite"] = "eddsa-rdfc-2022"
    answer = verify(desk, document)
    assert answer.status in (400, 503), answer
    assert verify(desk, issue(desk, "eddsa-rdfc-2022")).status == 200


def test_a_flood_of_verifications_is_told_to_come_back() -> None:
    """Beyond its places a door refuses at once, and one source takes no more than its share."""
    workers = Workers("flood", threads=1, waiting=3, per_source=2, busy=VerificationBusyError)
    gate = threading.Event()

    async def flood() -> list[str]:
        calls = [workers.run("a", gate.wait) for _ in range(5)] + [workers.run("b", gate.wait) for _ in range(5)]
        running = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.05)
        refused = [task.exception() for task in running if task.done()]
        gate.set()
        await asyncio.gather(*running, return_exceptions=True)
        return [getattr(error, "code", "") for error in refused]

    assert asyncio.run(flood()) == ["verification_busy"] * 6


def test_decisions_go_on_while_verifications_wait(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads of the verify doors hang and their queue is full: over HTTP a decision is made, kept and found meanwhile."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hang(*_arguments: Any, **_options: Any) -> None:
        begun.release()
        if not gate.wait(20):
            gate.set()  # whoever waited for this has waited long enough to be noticed
        raise VerificationBusyError

    monkeypatch.setattr(desk.registry.credentials, "verify", hang)
    monkeypatch.setattr(desk.registry.presentations, "verify", hang)
    places = VERIFICATIONS_AT_A_TIME + VERIFICATIONS_WAITING

    async def send(method: str, path: str, *, source: str = "127.0.0.1", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(desk.app, client=(source, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=None) as client:
            return await client.request(method, path, **more)

    async def ask() -> None:
        verifying = [
            asyncio.ensure_future(
                send("POST", f"/{kind}s/verify", source=f"198.51.100.{n}", json={f"verifiable{kind.title()}": {}})
            )
            for n in range(places)
            for kind in ("credential", "presentation")
        ]
        for one in islice(asyncio.as_completed(verifying), places):
            assert (await one).status_code == 503, "more than there is place for"
        for _ in range(VERIFICATIONS_AT_A_TIME):
            await asyncio.to_thread(begun.acquire)
        decided = await send("POST", "/access/v1/evaluation", headers=GATEWAY, json=DECISION)
        found = await send("GET", f"/v1/decisions/{decided.json()['context']['evaluation_id']}", headers=GATEWAY)
        assert (decided.status_code, found.status_code) == (200, 200)
        assert sum(one.done() for one in verifying) == places, "the decision waited for verifications"
        gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*verifying)} == {503}

    asyncio.run(ask())


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify"])
def test_no_stranger_has_its_body_parsed_where_decisions_are_made(
    desk: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Parsing half a megabyte takes as long as many decisions, so it is done by the few threads that a source has a share of."""
    seen: list[str] = []

    def parse(*arguments: Any, **options: Any) -> Any:
        seen.append(threading.current_thread().name)
        return parse_json_object(*arguments, **options)

    monkeypatch.setattr("registry.api.credential.parse_json_object", parse)
    assert desk.web.post(path, {"other": 1}).code == "vc_api_request_invalid"
    assert len(seen) == 1
    assert seen[0].startswith("verify")


def test_an_appended_proof_does_not_carry_a_broken_one(desk: World) -> None:
    """Every proof of a set has to hold: a good one beside a bad one, or beside a stranger's broken one, is not enough."""
    good = MALLORY.credential()
    other = key_signer(SigningKey(b"\x07" * 32))
    broken = copy.deepcopy(good["proof"]) | {"verificationMethod": other.verification_method}
    both = good | {"proof": [good["proof"], broken]}
    assert verify(desk, both).json["errors"] == ["proof_invalid"]
    assert verify(desk, good | {"proof": [good["proof"], {}]}).status == 400
