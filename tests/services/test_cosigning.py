"""Asking witnesses over real HTTP: the honest, the slow, the broken and the lying."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from did_methods.keys import SigningKey
from registry.adapters.system_clock import SystemClock
from registry.adapters.witness_http import (
    HttpWitnessPost,
    WitnessAnswer,
    WitnessUnreachableError,
    WitnessUrlError,
    parse_witness_url,
)
from registry.log.cosignature import Cosignature, Cosigner
from registry.log.witness import parse_add_checkpoint
from registry.log.witness_policy import PolicyWitness
from registry.services.cosigning import Timing, WitnessClient
from tests.support.tls_host import Authority, tls_host
from tests.support.witnesses import MadeUpLog, MadeUpWitness, Reply, forked, made_up_witness, willing

LOG = MadeUpLog()
SIZE_TYPE = "text/x.tlog.size"
QUICK = Timing(timeout_ms=400, pause_most_ms=1_000)


def client_of(*witnesses: MadeUpWitness, known: int = 0, timing: Timing = QUICK, log: MadeUpLog = LOG) -> WitnessClient:
    """Make a client of these witnesses, named W0, W1 and so on."""
    named = [PolicyWitness(f"W{place}", one.cosigner.key, one.url) for place, one in enumerate(witnesses)]
    return WitnessClient(
        named,
        known_sizes=lambda _key: known,
        post=HttpWitnessPost(time.monotonic),
        prove=log.proof,
        clock=SystemClock(),
        timing=timing,
    )


def collect(client: WitnessClient, size: int = 20, *, held: frozenset[str] = frozenset()) -> list[Cosignature]:
    """Ask everybody about a size."""
    return list(client.collect(LOG.head(size), LOG.note(size), held=held))


def test_an_honest_witness_cosigns() -> None:
    """It is asked from the size that it cosigned last, with the proof from there, and the size is remembered."""
    with made_up_witness() as witness:
        client = client_of(witness, known=7)
        (found,) = collect(client)
        assert found.key == witness.cosigner.key
        assert (client.sizes, client.results) == ({"W0": 20}, {("W0", "cosigned"): 1})
        collect(client, 31)
        asked = [parse_add_checkpoint(body) for body in witness.bodies]
        assert [(one.old_size, one.proof) for one in asked] == [(7, LOG.proof(7, 20)), (20, LOG.proof(20, 31))]
        client.close()


def test_who_has_cosigned_is_not_asked_again() -> None:
    """A cosignature that is held is not asked for."""
    with made_up_witness() as witness:
        assert collect(client_of(witness), held=frozenset({witness.cosigner.key.to_text()})) == []
        assert witness.bodies == []


def test_a_witness_without_an_address_is_only_known() -> None:
    """A policy may name witnesses for readers; they are not asked."""
    key = Cosigner("w.example", SigningKey(bytes(32))).key
    client = WitnessClient(
        [PolicyWitness("W", key, None)],
        known_sizes=lambda _key: 0,
        post=HttpWitnessPost(time.monotonic),
        prove=LOG.proof,
        clock=SystemClock(),
    )
    assert collect(client) == []


# ---------------------------------------------------------------- conflicts


def test_a_conflict_is_answered_with_the_size_that_the_witness_knows() -> None:
    """After a 409 the log goes on from there, once."""

    def behind(witness: MadeUpWitness, body: bytes, number: int) -> Reply:
        return Reply(409, b"12\n", SIZE_TYPE) if number == 0 else willing(witness, body, number)

    with made_up_witness(behind) as witness:
        assert len(collect(client_of(witness, known=7))) == 1
        assert parse_add_checkpoint(witness.bodies[1]).proof == LOG.proof(12, 20)


def test_a_slippery_witness_is_asked_three_times() -> None:
    """One that answers with another size for ever costs three requests and is left alone for a while."""

    def slippery(_witness: MadeUpWitness, _body: bytes, number: int) -> Reply:
        return Reply(409, b"%d\n" % (number % 5 + 1), SIZE_TYPE)

    with made_up_witness(slippery) as witness:
        client = client_of(witness)
        assert collect(client) == []
        assert (len(witness.bodies), client.results) == (3, {("W0", "conflict"): 1})
        assert collect(client) == []
        assert len(witness.bodies) == 3


@pytest.mark.parametrize(
    ("body", "media_type", "word"),
    [
        (b"21\n", SIZE_TYPE, "ahead"),
        (b"9223372036854775807\n", SIZE_TYPE, "ahead"),
        (b"7\n", SIZE_TYPE, "conflict"),
        (b"12", SIZE_TYPE, "malformed"),
        (b"-1\n", SIZE_TYPE, "malformed"),
        (b"012\n", SIZE_TYPE, "malformed"),
        (b"\xff\n", SIZE_TYPE, "malformed"),
        (b"", SIZE_TYPE, "malformed"),
        (b"12\n", "text/plain", "malformed"),
    ],
)
def test_sizes_that_cannot_be_are_not_followed(body: bytes, media_type: str, word: str) -> None:
    """A size above ours, the one just asked from, or something that is no size ends the conversation at once."""
    with made_up_witness(lambda *_: Reply(409, body, media_type)) as witness:
        client = client_of(witness, known=7)
        assert collect(client) == []
        assert (len(witness.bodies), client.results) == (1, {("W0", word): 1})


# ---------------------------------------------------------------- dishonest answers


def _false(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
    line = witness.line(body)
    return Reply(body=line.replace(line[-12:-8], b"AAAA"))


def _of_another_tree(witness: MadeUpWitness, _body: bytes, _number: int) -> Reply:
    return Reply(body=witness.line(forked(3).request(0, 20)))


STRANGER = Cosigner("witness.example/1", SigningKey(bytes([99]) * 32))


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (lambda *_: Reply(500, b"oops"), "http_500"),
        (lambda *_: Reply(403), "http_403"),
        (lambda *_: Reply(404), "http_404"),
        (lambda *_: Reply(422), "http_422"),
        (lambda *_: Reply(301), "http_301"),
        (lambda *_: Reply(204), "http_204"),
        (lambda *_: Reply(200, b""), "malformed"),
        (lambda *_: Reply(200, b"garbage\n"), "malformed"),
        (lambda *_: Reply(200, bytes(range(256)) * 8), "malformed"),
        (lambda w, body, _: Reply(200, w.line(body) + b"\n"), "malformed"),
        (lambda w, body, _: Reply(200, w.line(body, cosigner=STRANGER)), "no_signature"),
        (_false, "false_signature"),
        (_of_another_tree, "false_signature"),
        (lambda w, body, _: Reply(200, w.line(body, time_s=int(time.time()) - 3_600)), "time"),
        (lambda w, body, _: Reply(200, w.line(body, time_s=int(time.time()) + 3_600)), "time"),
        (lambda *_: Reply(200, b"x" * 70_000), "answer_refused"),
        (lambda *_: Reply(200, b"", length=10**9), "answer_refused"),
        (lambda *_: Reply(hang_up=True), "unreachable"),
        (lambda *_: Reply(delay_s=2.0), "timeout"),
        (lambda w, body, _: Reply(200, w.line(body), drip_s=0.05), "timeout"),
    ],
)
def test_a_dishonest_witness_costs_its_own_cosignature_only(
    reply: Callable[[MadeUpWitness, bytes, int], Reply], word: str
) -> None:
    """Whatever one witness does, the other's cosignature comes, in bounded time, and the result is counted by its word."""
    with made_up_witness(reply) as bad, made_up_witness(seed=2) as good:
        client = client_of(bad, good)
        began = time.monotonic()
        found = collect(client)
        assert time.monotonic() - began < 1.5
        assert [one.key for one in found] == [good.cosigner.key]
        assert client.results == {("W0", word): 1, ("W1", "cosigned"): 1}


def test_a_witness_that_is_not_there_costs_nothing_either() -> None:
    """A closed port and a name that does not exist are answers too."""
    with made_up_witness() as gone:
        pass
    with made_up_witness(seed=2) as good:
        client = client_of(gone, good)
        assert len(collect(client)) == 1
        assert client.results["W0", "unreachable"] == 1


def test_an_extra_forged_line_does_no_harm() -> None:
    """Lines of others, and false ones under its own name, are passed over; the true one counts."""

    def mixed(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        line, stranger = witness.line(body), witness.line(body, cosigner=STRANGER)
        forged = witness.line(forked(3).request(0, 20))
        return Reply(body=stranger + forged + line + forged)

    with made_up_witness(mixed) as witness:
        assert [one.key for one in collect(client_of(witness))] == [witness.cosigner.key]


def test_all_are_asked_at_once() -> None:
    """Three witnesses that take a while each take that while together."""

    def slow(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        return Reply(body=witness.line(body), delay_s=0.2)

    with ExitStack() as stack:
        witnesses = [stack.enter_context(made_up_witness(slow, seed=place + 1)) for place in range(3)]
        began = time.monotonic()
        assert len(collect(client_of(*witnesses))) == 3
        assert time.monotonic() - began < 0.5


def test_a_fast_cosignature_does_not_wait_for_a_slow_witness() -> None:
    """What has come is handed on at once."""
    with made_up_witness(lambda *_: Reply(delay_s=2.0)) as slow, made_up_witness(seed=2) as fast:
        client = client_of(slow, fast)
        began = time.monotonic()
        first = next(iter(client.collect(LOG.head(20), LOG.note(20), held=frozenset())))
        assert first.key == fast.cosigner.key
        assert time.monotonic() - began < 0.3


# ---------------------------------------------------------------- patience and budget


def test_failures_are_followed_by_pauses_and_success_ends_them() -> None:
    """A witness that fails is left alone for longer each time, within the limit; then it is asked again."""
    moment = [0.0]
    with made_up_witness(lambda *_: Reply(500)) as witness:
        client = WitnessClient(
            [PolicyWitness("W0", witness.cosigner.key, witness.url)],
            known_sizes=lambda _key: 0,
            post=HttpWitnessPost(time.monotonic),
            prove=LOG.proof,
            clock=SystemClock(),
            timing=Timing(pause_most_ms=2_000),
            monotonic=lambda: moment[0],
        )
        asked_at = []
        for tick in range(200):
            moment[0] = tick / 10
            before = len(witness.bodies)
            collect(client)
            if len(witness.bodies) > before:
                asked_at.append(moment[0])
        gaps = [round(later - earlier, 1) for earlier, later in pairwise(asked_at)]
        assert gaps[:3] == [0.5, 1.0, 2.0]
        assert set(gaps[3:]) == {2.0}
        witness.reply = willing
        moment[0] = 100.0
        assert len(collect(client)) == 1
        assert len(collect(client, 21)) == 1


def test_a_budget_that_is_used_up_is_kept() -> None:
    """A public witness grants so many requests a day: an hour's share may be spent at once, then one waits."""
    moment = [0.0]

    def post(_url: str, _body: bytes, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        assert seconds > 0
        assert max_bytes > 0
        return WitnessAnswer(409, SIZE_TYPE, b"3\n")

    client = WitnessClient(
        [PolicyWitness("W0", Cosigner("w", SigningKey(bytes(32))).key, "https://w.example")],
        known_sizes=lambda _key: 0,
        post=post,
        prove=LOG.proof,
        clock=SystemClock(),
        timing=Timing(pause_most_ms=1, per_day=24 * 6),
        monotonic=lambda: moment[0],
    )
    for _ in range(20):
        collect(client)
        moment[0] += 1
    assert client.results["W0", "conflict"] == 3
    assert client.results["W0", "budget"] == 17
    moment[0] += 1_200
    collect(client)
    assert client.results["W0", "conflict"] == 4


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url",
    ["", "witness.example", "ftp://a.example", "http://", "http://a.example:99999", "http://a b", "http://u@a.example",
     "http://a.example/?q", "http://a.example/#f", "http://a\r\nHost: b", "http://a.example:0"],
)  # fmt: skip
def test_addresses_that_cannot_be_asked_are_refused(url: str) -> None:
    """Only http and https addresses, without user, query or anything that would change the request."""
    with pytest.raises(WitnessUrlError):
        parse_witness_url(url)


def test_a_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    """Over https a witness proves its name; one whose authority is unknown is not told anything."""
    with tls_host(Authority(tmp_path), "localhost") as host, pytest.raises(WitnessUnreachableError):
        HttpWitnessPost(time.monotonic)(f"https://localhost:{host.port}", b"", seconds=2, max_bytes=10)
