"""Agents whose DIDs lie on other hosts, on a network that is a dictionary of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from did_methods.canonical import canonicalize
from did_methods.codec import base58_encode
from did_methods.keys import KeySigner, SigningKey
from did_methods.webvh import document_template
from registry.adapters.didkit_process import DidkitProcess
from registry.services.hosted_dids import HostedDids
from registry.services.resolution import ResolutionService
from tests.support.actor import Actor, seeded
from tests.support.asgi import Answer
from tests.support.hosting import hosted
from tests.support.registry import PUBLIC_URL, World
from tests.support.resolution import Bench, log_of

HOST = "host.example.com"
WEBVH_URL = f"https://{HOST}/agents/{{name}}/did.jsonl"
SOLANA = "did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ"


class Elsewhere(Bench):
    """Other hosts, and a registry that asks them."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.use(self.service)

    def use(self, service: ResolutionService) -> None:
        """Let the registry resolve with this service."""
        self.service = service
        self.world.registry.observations._resolution = service
        self.world.registry.did_witness._newest_seen = service.newest_seen

    def use_didkit(self) -> DidkitProcess:
        """Let the registry resolve foreign methods with the real library; the caller closes it."""
        process = DidkitProcess()
        registry = self.world.registry
        hosted_dids = HostedDids(sequencer=registry.sequencer, store=registry.store, public_url=PUBLIC_URL)
        self.use(
            ResolutionService(
                hosted=hosted_dids, fetcher=self.files, memory=self.memory, foreign=process, clock=self.world.clock
            )
        )
        return process

    # ------------------------------------------------------------ who lives there

    def web(self, name: str, *keys: str) -> Actor:
        """Publish a did:web with keys of these names; its actor signs with the first."""
        did = f"did:web:{HOST}:{name}"
        self.publish_web(name, *(keys or ("first",)))
        signer = KeySigner(seeded(f"{name} {keys[0] if keys else 'first'}"), f"{did}#key-1")
        return Actor(did, signer, self.world.clock, self.world.origin, name)

    def publish_web(self, name: str, *keys: str, **members: Any) -> None:
        """Put up a did:web document with keys of these names, under the ids #key-1, #key-2 and so on."""
        document = document_template(f"did:web:{HOST}:{name}", [key_of(name, one).public_key for one in keys])
        self.put(name, document | members)

    def put(self, name: str, document: dict[str, Any]) -> None:
        """Put up any document as a did:web's."""
        self.files.files[web_url(name)] = canonicalize(document)

    def webvh(self, name: str, **parameters: Any) -> Actor:
        """Publish a did:webvh log."""
        actor = hosted(self.world, name, host=HOST, port=None, **parameters)
        self.publish_log(actor)
        return actor

    def publish_log(self, actor: Actor) -> None:
        """Put up an actor's log as it is now."""
        self.files.files[WEBVH_URL.format(name=actor.name)] = log_of(actor)

    def solana(self, name: str) -> Actor:
        """Make a did:pkh whose account is a key."""
        key = seeded(name)
        did = f"{SOLANA}:{base58_encode(key.public_key.raw)}"
        return Actor(did, KeySigner(key, f"{did}#controller"), self.world.clock, self.world.origin, name)

    # ------------------------------------------------------------ what they ask for

    def register(self, actor: Actor, **more: Any) -> Answer:
        """Register an agent whose document is elsewhere."""
        return self.world.web.post("/v1/agents", self.registration(actor), **more)

    def registration(self, actor: Actor) -> dict[str, Any]:
        """Return the body of its registration; its log is not sent, it lies elsewhere."""
        return {"presentation": actor.presentation(self.world.challenge())}

    def agent(self, actor: Actor) -> Actor:
        """Register an agent, successfully."""
        answer = self.register(actor)
        assert answer.status == 201, answer
        return actor

    def observe(self, did: str, **more: Any) -> Answer:
        """Ask for another look."""
        return self.world.web.post(f"/v1/agents/{quote(did, safe='')}/observation", **more)

    def kinds(self, begin: int) -> list[str]:
        """Return the kinds of the entries from an index on."""
        return [one.kind for one in self.world.registry.store.entries(begin, 1 << 40)]


def key_of(name: str, key: str) -> SigningKey:
    """Return somebody's key of that name."""
    return seeded(f"{name} {key}")


def signing_with(actor: Actor, key: str, *, fragment: str = "key-1") -> Actor:
    """Return the same agent, signing with another of its keys."""
    return replace(actor, signer=KeySigner(key_of(actor.name, key), f"{actor.did}#{fragment}"))


def web_url(name: str) -> str:
    """Return where a did:web's document lies."""
    return f"https://{HOST}/{name}/did.json"


def method(did: str, fragment: str, multikey: str, **changes: Any) -> dict[str, Any]:
    """Return a verification method."""
    return {
        "id": f"{did}#{fragment}",
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": multikey,
    } | changes


def document(did: str, methods: Sequence[dict[str, Any]], **members: Any) -> dict[str, Any]:
    """Return a document whose methods are for signing."""
    ids = [one["id"] for one in methods]
    found = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "verificationMethod": list(methods),
        "authentication": ids,
        "assertionMethod": ids,
    }
    return found | members
