"""A resolution service over a whole registry, on a network that is a dictionary of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.did import parse_did
from did_methods.method import FetchFailedError, ResolutionOptions, ResolutionResult
from did_methods.webvh import append_entry, entry_line, move_document, next_key_hash
from registry.history.statement import parse_statement
from registry.services.hosted_dids import HostedDids
from registry.services.resolution import ResolutionService
from registry.services.submission import Submission
from registry.storage.did_version import SqlVersionMemory
from tests.support.actor import Actor, seeded
from tests.support.registry import PUBLIC_URL, World
from tests.support.webvh import LogWriter

FOREIGN_WEB = "did:web:host.example.com"
WEB_URL = "https://host.example.com/.well-known/did.json"
PKH = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a"


class Files:
    """A network of files that counts what is asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | FetchFailedError | None] = {}
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        """Give a file."""
        self.asked.append(url)
        self.before()
        found = self.files.get(url)
        if isinstance(found, FetchFailedError):
            raise found
        assert found is None or len(found) <= max_bytes
        return found


class Foreign:
    """A resolver of foreign DIDs that counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = False

    def resolve(self, did: str) -> dict[str, Any] | None:
        """Give the least that a document needs."""
        self.asked.append(did)
        return {"id": did}

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class Bench:
    """A resolution service over a registry, on a network of files."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files = Files()
        self.foreign = Foreign()
        self.memory = SqlVersionMemory(world.registry.database)
        self.service = self.make()

    def make(self) -> ResolutionService:
        """Return a service that remembers nothing but what is in the database."""
        registry = self.world.registry
        hosted = HostedDids(sequencer=registry.sequencer, store=registry.store, public_url=PUBLIC_URL)
        return ResolutionService(
            hosted=hosted, fetcher=self.files, memory=self.memory, foreign=self.foreign, clock=self.world.clock
        )

    def options(self, **more: Any) -> ResolutionOptions:
        """Return options of now."""
        return ResolutionOptions(self.world.clock.now_ms(), **more)

    def resolve(self, did: str, **more: Any) -> ResolutionResult:
        """Resolve now."""
        return self.service.resolve(did, self.options(**more))

    def append(self, entry: dict[str, Any]) -> None:
        """Append to a hosted log."""
        submission = Submission([parse_statement(entry)])
        self.world.registry.sequencer.submit(submission).result(timeout=10)

    def move(self, actor: Actor, place: str) -> str:
        """Move a hosted agent; returns its new DID."""
        assert actor.state is not None
        self.world.clock.advance(2_000)
        did = f"did:webvh:{actor.state.scid}:{place}"
        actor.generation += 1
        entry, actor.state = append_entry(
            actor.state,
            move_document(actor.state, did),
            update_key=seeded(f"{actor.name} update {actor.generation}"),
            next_key_hashes=[next_key_hash(seeded(f"{actor.name} update {actor.generation + 1}").public_key.multikey)],
            version_time_ms=self.world.clock.now_ms(),
        )
        actor.entries.append(entry)
        self.append(entry)
        return did


def outcome(result: ResolutionResult) -> tuple[str | None, str | None]:
    """Return the keyword and the code of a failure."""
    return result.error and result.error.value, result.cause and result.cause.code


def log_of(actor: Actor) -> bytes:
    """Return an agent's did.jsonl."""
    return b"".join(entry_line(entry) for entry in actor.entries)


def web_document(**members: Any) -> bytes:
    """Return the document of FOREIGN_WEB."""
    return canonicalize({"@context": ["https://www.w3.org/ns/did/v1"], "id": FOREIGN_WEB, **members})


def _webvh_url(did: str) -> str:
    return parse_did(did).method_specific_id.split(":", 1)[1].replace("%3A", ":").replace(":agents:", "/agents/")


def publish_elsewhere(bench: Bench, **parameters: Any) -> tuple[LogWriter, str]:
    """Publish a log elsewhere; returns it with its URL."""
    writer = LogWriter().first(parameters)
    url = f"https://{_webvh_url(writer.did)}/did.jsonl"
    bench.files.files[url] = writer.log
    return writer, url
