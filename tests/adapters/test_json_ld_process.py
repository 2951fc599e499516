"""JSON-LD in child processes: published canonical forms, poison, and children that hang, die and lie."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry import limits
from registry.adapters.json_ld_process import JSON_LD_CHILD_LIMITS, JsonLdProcess
from registry.credentials import json_ld_errors as errors
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL
from registry.credentials.json_ld_processor import Digest
from tests.support.vectors import published

FAKE = Path(__file__).with_name("fake_json_ld_child.py")
PATIENT = replace(JSON_LD_CHILD_LIMITS, call_ms=60_000, start_ms=60_000)
HASTY = replace(PATIENT, call_ms=300)
GRAPH = {"@context": {"p": {"@id": "urn:x:p", "@type": "@id"}, "q": "urn:x:q", "id": "@id"}}
CREDENTIAL = {
    "@context": [CREDENTIALS_V2_URL],
    "type": ["VerifiableCredential"],
    "issuer": "did:example:issuer",
    "credentialSubject": {"id": "did:example:subject"},
}

Start = Callable[..., JsonLdProcess]


@pytest.fixture(scope="module")
def process() -> Iterator[JsonLdProcess]:
    """Return the real processor."""
    with JsonLdProcess(replace(JSON_LD_CHILD_LIMITS, start_ms=60_000)) as made:
        yield made


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a maker of processors with a fake child; each is closed at the end."""
    made: list[JsonLdProcess] = []

    def make(mode: str, child_limits: Any = PATIENT, **options: Any) -> JsonLdProcess:
        made.append(JsonLdProcess(child_limits, command=(sys.executable, "-I", str(FAKE), mode), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def graph(nodes: dict[str, list[str]]) -> dict[str, Any]:
    """Return a document of blank nodes that refer to one another."""
    return GRAPH | {
        "@graph": [{"id": f"_:{name}", "p": [f"_:{other}" for other in others]} for name, others in nodes.items()]
    }


def clique(size: int) -> dict[str, Any]:
    """Return a graph in which each blank node refers to all others."""
    return graph({f"n{one}": [f"n{other}" for other in range(size) if other != one] for one in range(size)})


def bipartite(size: int) -> dict[str, Any]:
    """Return a graph of two halves, each node of one referring to all of the other."""
    return graph({f"l{one}": [f"r{other}" for other in range(size)] for one in range(size)})


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("folder", "digest"),
    [
        ("vc-di-eddsa/eddsa-rdfc-2022", "sha256"),
        ("vc-di-eddsa/Ed25519Signature2020", "sha256"),
        ("vc-di-ecdsa/ecdsa-rdfc-2019-p256", "sha256"),
        ("vc-di-ecdsa/ecdsa-rdfc-2019-p384", "sha384"),
    ],
)
def test_published_canonical_forms_are_ours(process: JsonLdProcess, folder: str, digest: Digest) -> None:
    """Document and proof options of W3C's own examples come out byte for byte."""
    files = published(folder)
    document = json.loads(next(files.glob("signed*.json")).read_bytes())
    del document["proof"]
    options = json.loads(next(files.glob("proofConfig*.json")).read_bytes())
    expected = tuple(next(files.glob(f"{name}*.txt")).read_bytes() for name in ("proofCanon", "canonDoc"))
    assert process.canonicalize([options, document], digest=digest) == expected


def test_refusals_travel_as_codes(process: JsonLdProcess) -> None:
    """The code of the child is the error of the caller, from checking and from canonicalising, whichever document has it."""
    process.check(CREDENTIAL)
    bad = CREDENTIAL | {"undefined": 1}
    with pytest.raises(errors.JsonLdTermError):
        process.check(bad)
    with pytest.raises(errors.JsonLdTermError):
        process.canonicalize([CREDENTIAL, bad], digest="sha256")
    with pytest.raises(errors.JsonLdIdError):
        process.canonicalize([CREDENTIAL | {"id": "http://x.example/%zz"}], digest="sha256")


@pytest.mark.parametrize(
    "poison",
    [clique(8), clique(10), bipartite(8), graph({f"n{one}": [f"n{(one + step) % 60}" for step in range(1, 9)] for one in range(60)}),
     clique(60), GRAPH | {"id": "urn:x:" + "x" * 20_000, "q": list(range(1_000))}],
    ids=["clique of 8", "clique of 10", "two halves of 8", "ring of 60, each to the next 8", "clique of 60", "long lines"],
)  # fmt: skip
def test_a_poisoned_graph_costs_its_caller_an_error_and_nobody_else_anything(
    process: JsonLdProcess, poison: dict[str, Any]
) -> None:
    """It ends within the limit under its own code, twice in a row without a pause, and the next call is answered."""
    for _ in range(2):
        begin = time.monotonic()
        with pytest.raises(errors.JsonLdWorkError):
            process.canonicalize([poison], digest="sha256")
        assert time.monotonic() - begin < 30 + limits.JSON_LD_CALL_MS / 1_000  # a busy machine starts slowly
    assert process.canonicalize([CREDENTIAL], digest="sha256")[0].endswith(b" .\n")


def test_too_many_nodes_that_look_alike_are_refused_before_they_are_compared(process: JsonLdProcess) -> None:
    """Blank nodes without a difference are counted, statements and requests too, so that these cost no child."""
    twins = graph({f"n{one}": [f"n{(one + 1) % 600}"] for one in range(600)})
    many = GRAPH | {"q": list(range(limits.JSON_LD_QUADS + 1))}
    process.check(CREDENTIAL)
    before = process._all[0]._child
    for document in (twins, many):
        with pytest.raises(errors.JsonLdWorkError):
            process.canonicalize([document], digest="sha256")
    assert process._all[0]._child is before


def test_nodes_that_look_alike_are_no_offence(process: JsonLdProcess) -> None:
    """A list of equal entries is honest, and canonicalised."""
    document = CREDENTIAL | {"credentialSubject": [{"type": "VerifiableCredential"} for _ in range(50)]}
    assert process.canonicalize([document], digest="sha256")[0].count(b"\n") == 102


def test_a_running_child_has_given_up_what_it_does_not_need(process: JsonLdProcess) -> None:
    """A child that answers can open nothing, write no file, leave no core, and has its share of memory and time."""
    process.check(CREDENTIAL)
    child = process._all[0]._child
    assert child is not None
    expected = {
        "NOFILE": 0,
        "FSIZE": 0,
        "CORE": 0,
        "DATA": limits.JSON_LD_MEMORY_BYTES,
        "CPU": limits.JSON_LD_CPU_SECONDS,
    }
    found = {name: resource.prlimit(child._process.pid, getattr(resource, f"RLIMIT_{name}")) for name in expected}
    assert found == {name: (value, value) for name, value in expected.items()}


def test_every_refusal_works_where_nothing_can_be_opened(process: JsonLdProcess) -> None:
    """No path of the library loads something late: the child that refuses is the one that answers next."""
    from tests.credentials.test_json_ld import REFUSED, SOUND

    process.check(CREDENTIAL)
    before = process._all[0]._child
    for document in SOUND.values():
        process.check(document)
    for refusal, document in REFUSED.values():
        with pytest.raises(errors.JsonLdError) as caught:
            process.canonicalize([document], digest="sha384")
        assert caught.value.code == refusal.code
    assert process._all[0]._child is before


@pytest.mark.parametrize(
    "mode",
    ["too-few", "numbers", "more-members", "another-id", "unknown-code", "text-of-the-document"],
)
def test_an_answer_that_is_none_is_not_taken(start: Start, mode: str) -> None:
    """A child that dies or says anything else than one answer is ended, and its text reaches nobody."""
    process = start(mode)
    with pytest.raises(errors.JsonLdUnavailableError) as caught:
        process.canonicalize([CREDENTIAL, CREDENTIAL], digest="sha256")
    assert "example" not in str(caught.value)
    assert process._all[0]._child is None


@pytest.mark.parametrize("end", ["hang", "die", "flood"])
def test_a_child_that_is_lost_at_work_is_the_askers_doing(start: Start, end: str) -> None:
    """A call that takes too long, or more memory or room than there is, is answered so, and never pauses the service."""
    process = start("loses", replace(HASTY, answer_bytes=10_000) if end == "flood" else HASTY)
    for _ in range(3):
        with pytest.raises(errors.JsonLdWorkError):
            process.check({end: 1})
        assert process._all[0]._not_before == 0
    process.check({})


def test_a_request_that_is_too_long_reaches_no_child(start: Start) -> None:
    """A document beyond the size of a request is refused before it is sent."""
    process = start("pid")
    process.check({})
    before = process._all[0]._child
    with pytest.raises(errors.JsonLdWorkError):
        process.check({"a": "x" * limits.JSON_LD_REQUEST_BYTES})
    assert process._all[0]._child is before


def test_a_child_that_never_gets_ready_is_the_childs_doing() -> None:
    """Whoever asks first is not blamed for a start that fails, and the failures are paused."""
    with JsonLdProcess(PATIENT, command=(sys.executable, "-c", "raise SystemExit")) as process:
        for _ in range(2):
            with pytest.raises(errors.JsonLdUnavailableError):
                process.check({})
        assert process._all[0]._not_before > time.monotonic()


def test_refusals_are_no_failures(start: Start) -> None:
    """A child that refuses is not replaced, however often it does."""
    process = start("refuses")
    for _ in range(3):
        with pytest.raises(errors.JsonLdTermError):
            process.check({})
    assert process._all[0]._failures == 0
    assert process._all[0]._child is not None


def test_an_absent_library_is_said_so(start: Start) -> None:
    """Where the extra is not installed, the answer says that."""
    with pytest.raises(errors.JsonLdNotInstalledError):
        start("absent").check({})


def test_the_second_child_serves_while_the_first_is_held_up(start: Start) -> None:
    """One child answers calls one after the other; a second is started only for calls at the same time."""
    process = start("pid")
    assert len({process.canonicalize([{}], digest="sha256") for _ in range(3)}) == 1
    assert process._all[1]._child is None
    slow = start("slow")
    threads = [threading.Thread(target=slow.check, args=({},)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(supervisor._child is not None for supervisor in slow._all)


def test_callers_queue_up_to_a_bound(start: Start) -> None:
    """Callers beyond the children wait their turn, callers beyond the bound are told to come back."""
    process = start("slow", children=1, waiting=3)
    answers: list[str] = []
    barrier = threading.Barrier(5)

    def call() -> None:
        barrier.wait()
        try:
            process.check({})
            answers.append("done")
        except errors.JsonLdBusyError:
            answers.append("busy")

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["busy", "busy", "done", "done", "done"]


def test_closing_ends_all_children(start: Start) -> None:
    """After close no child is left and calls are unavailable."""
    process = start("good")
    process.check({})
    process.close()
    assert all(supervisor._child is None for supervisor in process._all)
    with pytest.raises(errors.JsonLdUnavailableError):
        process.check({})


def test_a_library_that_drops_silently_is_not_used() -> None:
    """A version whose steps cannot be watched any more is noticed at the start: the child never says that it is ready."""
    program = (
        "from registry.credentials import json_ld as j\n"
        "del j._Processor._expand\n"
        "from registry.adapters import json_ld_child as c\n"
        "try:\n    c._load()\nexcept c.SafeModeError:\n    print('noticed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "noticed\n"
