"""An agent: how it comes into being, registers, and shows what it has been promised.

The keys are made here and never leave: the registry gets signatures. One colour: plain functions; an asynchronous
client comes with a later version.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from did_methods.data_integrity import event_id
from registry.adapters.identity import WEBVH_SEEDS, make_key_identity, make_webvh_identity
from registry.adapters.key_file import KeyRing, load_key_ring, parse_key_ring, save_key_ring
from registry.adapters.system_clock import Clock, SystemClock
from registry.client.errors import (
    AgentKeyMissingError,
    AgentMethodError,
    FirstEntryMissingError,
    RegistryAnswerError,
    RegistryNotChosenError,
    RegistryRefusedError,
)
from registry.client.files import AgentFiles, agents_folder, check_name, find_key_file
from registry.client.speaker import URL_VARIABLE, Receipt, Speaker
from registry.client.transport import Transport, did_segment
from registry.client.view import AcceptedEvent, RegistryIdentity, RegistryView

KEY_VARIABLE: Final = "BONAFIDES_AGENT_KEY"
KEY_FILE_VARIABLE: Final = "BONAFIDES_AGENT_KEY_FILE"


class Agent(Speaker):
    """One agent; make it with `create` or `load`.

    Args:
        ring: its keys.
        files: where they lie; None for keys from the environment.
        first_entry: the first entry of its did:webvh; None for a did:key, or once registered.
        url: its registry; None for the one remembered beside the keys, else ``$BONAFIDES_URL``.
        clock: the agent's.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        files: AgentFiles | None = None,
        first_entry: Mapping[str, Any] | None = None,
        url: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(ring, files=files, url=url, clock=clock)
        self._first_entry = first_entry

    # ------------------------------------------------------------ coming into being

    @classmethod
    def create(
        cls,
        name: str,
        registry: str | None = None,
        *,
        public_url: str | None = None,
        method: str = "webvh",
        path: str | Path | None = None,
    ) -> Self:
        """Make a new identity: keys in a file that only its owner can read. Nothing is sent.

        Args:
            name: a-z, 0-9 and hyphens; the last part of a did:webvh, first come.
            registry: URL of the registry, asked for the address that DIDs name; ``$BONAFIDES_URL`` by default.
            public_url: that address, where it is known already: then nothing is asked.
            method: ``webvh`` for a DID that outlives keys and hosts, ``key`` for a short-lived agent.
            path: the key file; ``~/.bonafides/agents/<name>.json`` by default.

        Raises:
            BonafidesError: ``agent_name_invalid``, ``key_file_exists``, ``registry_not_chosen``,
                ``registry_unreachable``.
        """
        files = AgentFiles(Path(path) if path else agents_folder() / f"{check_name(name)}.json")
        if method not in ("webvh", "key"):
            raise AgentMethodError
        registry = registry or os.environ.get(URL_VARIABLE)
        if method == "key":
            save_key_ring(files.key_file, ring := make_key_identity(secrets.token_bytes(32)))
            return cls(ring, files=files, url=registry)
        identity: RegistryIdentity | None = None
        if public_url is None:
            if registry is None:
                raise RegistryNotChosenError("a did:webvh names its host: give registry or public_url")
            transport = Transport(registry)
            identity = RegistryView(transport).identity()
            public_url = identity.public_url
            transport.close()
        place = urlsplit(public_url)
        seeds = [secrets.token_bytes(32) for _ in range(WEBVH_SEEDS)]
        ring, entry = make_webvh_identity(
            place.hostname or "",
            place.port,
            ("agents", check_name(name)),
            seeds=seeds,
            now_ms=SystemClock().now_ms(),
        )
        save_key_ring(files.key_file, ring)  # first: it is what decides between two that take the same name
        files.save_first_entry(entry)
        if identity is not None:
            files.save_registry(identity)
        return cls(ring, files=files, first_entry=entry, url=registry)

    @classmethod
    def load(cls, source: str | Path | None = None, *, url: str | None = None) -> Self:
        """Load an identity.

        Args:
            source: a name in the agents' folder, or a key file. None takes ``$BONAFIDES_AGENT_KEY`` (the key file's
                content), else ``$BONAFIDES_AGENT_KEY_FILE`` (a mounted secret).
            url: its registry; None as in the class.

        Raises:
            BonafidesError: ``agent_key_missing``, ``key_file_exposed``, ``key_file_malformed``.
        """
        if source is not None:
            files = AgentFiles(find_key_file(source))
            return cls(load_key_ring(files.key_file), files=files, first_entry=files.load_first_entry(), url=url)
        content, mounted = os.environ.get(KEY_VARIABLE), os.environ.get(KEY_FILE_VARIABLE)
        if content:
            return cls(parse_key_ring(content.encode()), url=url)
        if mounted:
            return cls(load_key_ring(Path(mounted), mounted=True), url=url)
        raise AgentKeyMissingError(f"give a name or a file, or set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}")

    # ------------------------------------------------------------ registering

    def register(self, url: str | None = None) -> Receipt:
        """Register at a registry: challenge, signed presentation, publication of the DID. No human, no account.

        Args:
            url: the registry; None for the one given before.

        Raises:
            BonafidesError: ``did_entry_missing``, ``registry_unreachable``, ``registry_refused``, ``registry_changed``,
                ``acceptance_invalid``.

        Spec: FORMATS "Registration"
        """
        if url is not None and url.rstrip("/") != self._url:
            # Another registry on purpose: from now on it is this agent's, and pinned in its turn.
            self._url, self._view, self._pinned = url.rstrip("/"), None, None
        if self.did.startswith("did:webvh:") and self._first_entry is None:
            raise FirstEntryMissingError
        try:
            receipt = self._register()
        except RegistryRefusedError as error:
            if error.problem_code != "challenge_unknown":
                raise
            receipt = self._register()  # the challenge went with a try that was not answered
        self._remember(self.view().identity())
        return receipt

    def _register(self) -> Receipt:
        view = self.view()
        origin = view.identity().origin
        answer = view.transport.post("/v1/challenges", {})
        challenge = answer.get("challenge")
        if answer.get("domain") != origin or not isinstance(challenge, str):
            raise RegistryAnswerError("the challenge is of another log")
        presentation = self._presentation(challenge, origin, with_id=True)
        entries = [dict(self._first_entry)] if self._first_entry else []
        body = {"presentation": presentation, **({"didLog": entries} if entries else {})}
        answer = view.transport.post("/v1/agents", body)
        return self._receipt(answer, [*(event_id(one) for one in entries), event_id(presentation)])

    # ------------------------------------------------------------ looking

    def standing(self, did: str | None = None, *, context: str | None = None) -> dict[str, Any]:
        """Return what the registry says of an agent's standing: score, record, factors.

        Args:
            did: the agent; None for oneself.
            context: capability domain; None overall.
        """
        return self.view().transport.get(f"/v1/agents/{did_segment(did or self.did)}/standing", context=context)

    def acknowledged(self) -> list[AcceptedEvent]:
        """Return every event that the agent's registry has acknowledged to it, from the acceptances kept.

        Raises:
            AcceptanceError: ``acceptance_invalid``.
        """
        kept = self._files.load_acceptances() if self._files else ()
        view = self.view()
        found: list[AcceptedEvent] = []
        for document in kept:
            subject = document.get("credentialSubject")
            if isinstance(subject, dict) and subject.get("origin") == view.identity().origin:
                found.extend(view.verify_acceptance(document, events=()))
        return found
