"""A log made of numbers for witnesses to look at, and witnesses over HTTP that answer as a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from did_methods.keys import SigningKey
from registry.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from registry.log.cosignature import Cosigner, append_lines, cosign
from registry.log.merkle import EMPTY_ROOT
from registry.log.note import NoteKey, parse_note, parse_signature_lines
from registry.log.witness import (
    AddCheckpoint,
    CosignedHead,
    WitnessConflictError,
    WitnessProofError,
    check_growth,
    claimed_checkpoint,
    encode_add_checkpoint,
    parse_add_checkpoint,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

ORIGIN = "log.example/1"
LOG_KEY = SigningKey(bytes(range(32)))


@dataclass(slots=True)
class MadeUpLog:
    """A log with a tree of its own.

    Attributes:
        tree: its entries.
        origin: its name.
        signing_key: its key.
    """

    tree: NaiveTree = field(default_factory=lambda: NaiveTree(naive_leaves(64)))
    origin: str = ORIGIN
    signing_key: SigningKey = LOG_KEY

    @property
    def key(self) -> NoteKey:
        """Its verifier key."""
        return NoteKey(self.origin, self.signing_key.public_key)

    def head(self, size: int) -> Checkpoint:
        """Return the head of a size."""
        return Checkpoint(self.origin, size, self.tree.root(0, size) if size else EMPTY_ROOT)

    def note(self, size: int) -> bytes:
        """Return the signed note of a size."""
        return sign_checkpoint(self.head(size), self.signing_key)

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof that a witness wants."""
        return tuple(self.tree.proof(old, 0, size)) if 0 < old < size else ()

    def request(self, old: int, size: int) -> bytes:
        """Return the body of an honest request."""
        return encode_add_checkpoint(AddCheckpoint(old, self.proof(old, size), self.note(size)))


def forked(from_index: int, *, size: int = 64) -> MadeUpLog:
    """Return a log with the same key whose entries differ from an index on."""
    own = [b"other %d" % place for place in range(size - from_index)]
    return MadeUpLog(NaiveTree([*naive_leaves(from_index), *own]))


@dataclass(slots=True)
class Reply:
    """What a made-up witness answers.

    Attributes:
        status: HTTP status.
        body: sent in one go.
        media_type: Content-Type.
        delay_s: before the head.
        drip_s: between single bytes of the body.
        hang_up: close without an answer.
        length: Content-Length, where it is to be another one than the body's.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain"
    delay_s: float = 0.0
    drip_s: float = 0.0
    hang_up: bool = False
    length: int | None = None


@dataclass(slots=True)
class MadeUpWitness:
    """A witness over HTTP.

    Attributes:
        cosigner: whose cosignatures it gives.
        reply: makes the answer to a request's body; the number counts from 0.
        monitored: makes the answer at the monitoring address; it has seen nothing unless told otherwise.
        url: where.
        bodies: what was asked.
        paths: what was read.
    """

    cosigner: Cosigner
    reply: Callable[[MadeUpWitness, bytes, int], Reply]
    monitored: Callable[[str], Reply] = field(default=lambda _path: Reply(404))
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def line(self, body: bytes, *, time_s: int | None = None, cosigner: Cosigner | None = None) -> bytes:
        """Return the cosignature of what a request asks for, whatever it is."""
        note = parse_note(parse_add_checkpoint(body).note)
        moment = int(time.time()) if time_s is None else time_s
        return cosign(parse_checkpoint(note.text), cosigner or self.cosigner, time_s=moment).to_line().encode()


def willing(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
    """Cosign anything."""
    return Reply(body=witness.line(body))


@dataclass(slots=True)
class StrictWitness:
    """What an honest witness remembers of one log; `reply` and `monitored` are for a `MadeUpWitness`.

    Attributes:
        newest: what it cosigned last.
        note: that, with its cosignature; empty before the first.
        refusals: histories that do not follow from it.
    """

    newest: CosignedHead = field(default_factory=lambda: CosignedHead(0, b""))
    note: bytes = b""
    refusals: list[str] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        """Cosign what grew out of what was cosigned before."""
        request = parse_add_checkpoint(body)
        head = claimed_checkpoint(request.note)
        with self._mutex:
            try:
                check_growth(request, head, cosigned=self.newest)
            except WitnessConflictError:
                return Reply(409, f"{self.newest.size}\n".encode(), "text/x.tlog.size")
            except WitnessProofError as error:
                self.refusals.append(str(error))
                return Reply(422)
            line = witness.line(body)
            self.newest = CosignedHead(head.size, head.root_hash)
            self.note = append_lines(request.note, parse_signature_lines(line))
        return Reply(body=line)

    def monitored(self, _path: str) -> Reply:
        """Show what was cosigned last."""
        return Reply(body=self.note) if self.note else Reply(404)


@contextmanager
def made_up_witness(
    reply: Callable[[MadeUpWitness, bytes, int], Reply] = willing, *, seed: int = 1, name: str = "witness.example"
) -> Iterator[MadeUpWitness]:
    """Serve a witness on a free loopback port."""
    witness = MadeUpWitness(Cosigner(f"{name}/{seed}", SigningKey(bytes([seed]) * 32)), reply)
    mutex = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with mutex:
                number = len(witness.bodies)
                witness.bodies.append(body)
            self._give(witness.reply(witness, body, number))

        def do_GET(self) -> None:
            witness.paths.append(self.path)
            self._give(witness.monitored(self.path))

        def _give(self, found: Reply) -> None:
            self.close_connection = True
            time.sleep(found.delay_s)
            if found.hang_up:
                return
            try:
                self._answer(found)
            except OSError:
                return  # whoever asked has gone, as it should

        def _answer(self, found: Reply) -> None:
            self.send_response(found.status)
            self.send_header("Content-Type", found.media_type)
            self.send_header("Content-Length", str(len(found.body) if found.length is None else found.length))
            self.end_headers()
            if not found.drip_s:
                self.wfile.write(found.body)
                return
            for place in range(len(found.body)):
                self.wfile.write(found.body[place : place + 1])
                self.wfile.flush()
                time.sleep(found.drip_s)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    witness.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield witness
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
