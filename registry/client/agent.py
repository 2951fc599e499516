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

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.data_integrity import event_id
from did_methods.keys import Signer, SigningKey
from registry.adapters.identity import WEBVH_SEEDS, make_key_identity, make_webvh_identity, split_ring
from registry.adapters.key_file import (
    KeyFileExistsError,
    KeyRing,
    Passphrase,
    is_sealed,
    load_key_ring,
    parse_key_ring,
    read_key_file,
    save_key_ring,
)
from registry.adapters.system_clock import Clock, SystemClock
from registry.client.errors import (
    AgentKeyMissingError,
    AgentMethodError,
    FirstEntryMissingError,
    OwnerSignatureError,
    PassportMissingError,
    RegistryAnswerError,
    RegistryNotChosenError,
    RegistryRefusedError,
)
from registry.client.export import export_agent
from registry.client.files import AgentFiles, agents_folder, check_name, find_key_file, random_name
from registry.client.keeper import Keeper, KeyAccess
from registry.client.passphrase import find_passphrase
from registry.client.signing import Identity, SignerIdentity
from registry.client.speaker import URL_VARIABLE, Receipt
from registry.client.transport import Transport, did_segment
from registry.client.view import AcceptedEvent, RegistryIdentity, RegistryView, parse_event
from registry.credentials.issue import countersign_passport, issue_passport

KEY_VARIABLE: Final = "BONAFIDES_AGENT_KEY"
KEY_FILE_VARIABLE: Final = "BONAFIDES_AGENT_KEY_FILE"
NEXT_KEYS_VARIABLE: Final = "BONAFIDES_AGENT_NEXT_KEYS_FILE"


class Agent(Keeper):
    """One agent; make it with `create` or `load`.

    Args:
        ring: its keys, or who signs in their place.
        files: where they lie; None for keys from the environment.
        first_entry: the first entry of its did:webvh; None for a did:key, or once registered.
        url: its registry; None for the one remembered beside the keys, else ``$BONAFIDES_URL``.
        clock: the agent's.
        access: how its key files are opened and sealed.
    """

    def __init__(
        self,
        ring: Identity,
        *,
        files: AgentFiles | None = None,
        first_entry: Mapping[str, Any] | None = None,
        url: str | None = None,
        clock: Clock | None = None,
        access: KeyAccess | None = None,
    ) -> None:
        super().__init__(ring, files=files, url=url, clock=clock, access=access)
        self._first_entry = first_entry

    # ------------------------------------------------------------ coming into being

    @classmethod
    def create(
        cls,
        name: str,
        registry: str | None = None,
        *,
        public_url: str | None = None,
        public_name: bool = False,
        method: str = "webvh",
        path: str | Path | None = None,
        passphrase: str | None = None,
    ) -> Self:
        """Make a new identity: keys in a file that only its owner can read. Nothing is sent.

        Args:
            name: a-z, 0-9 and hyphens; of the key file, and nobody else is told.
            registry: URL of the registry, asked for the address that DIDs name; ``$BONAFIDES_URL`` by default.
            public_url: that address, where it is known already: then nothing is asked.
            public_name: let a did:webvh end in the name, first come: it stands in the log for ever, where nothing can be
                erased. Otherwise it ends in 16 random letters and digits.
            method: ``webvh`` for a DID that outlives keys and hosts, ``key`` for a short-lived agent.
            path: the key file; ``~/.bonafides/agents/<name>.json`` by default.
            passphrase: seals the key files; None leaves them open.

        Raises:
            BonafidesError: ``agent_name_invalid``, ``key_file_exists``, ``registry_not_chosen``,
                ``registry_unreachable``.
        """
        files = AgentFiles(Path(path) if path else agents_folder() / f"{check_name(name)}.json")
        if method not in ("webvh", "key"):
            raise AgentMethodError
        registry = registry or os.environ.get(URL_VARIABLE)
        if method == "key":
            ring = make_key_identity(secrets.token_bytes(32))
            save_key_ring(files.key_file, ring, passphrase=passphrase)
            return cls(ring, files=files, url=registry, access=_given(passphrase))
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
            ("agents", check_name(name) if public_name else random_name()),
            seeds=seeds,
            now_ms=SystemClock().now_ms(),
        )
        main, later = split_ring(ring)
        # First the main file: it is what decides between two that take the same name.
        save_key_ring(files.key_file, main, passphrase=passphrase)
        save_key_ring(files.next_keys, later, passphrase=passphrase)
        files.save_first_entry(entry)
        if identity is not None:
            files.save_registry(identity)
        return cls(main, files=files, first_entry=entry, url=registry, access=_given(passphrase))

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        url: str | None = None,
        passphrase: Passphrase | None = None,
        next_keys: Path | None = None,
    ) -> Self:
        """Load an identity.

        Args:
            source: a name in the agents' folder, or a key file. None takes ``$BONAFIDES_AGENT_KEY`` (the key file's
                content), else ``$BONAFIDES_AGENT_KEY_FILE`` (a mounted secret).
            url: its registry; None as in the class.
            passphrase: of a sealed file; None as in `find_passphrase`. Asked only where it is needed.
            next_keys: the file with the next keys, where it is not beside the key file; None looks at
                ``$BONAFIDES_AGENT_NEXT_KEYS_FILE`` too.

        Raises:
            BonafidesError: ``agent_key_missing``, ``key_file_exposed``, ``key_file_malformed``, ``passphrase_missing``,
                ``seal_broken``.
        """
        passphrase = passphrase or find_passphrase()
        elsewhere = os.environ.get(NEXT_KEYS_VARIABLE)
        later = next_keys or (Path(elsewhere) if elsewhere else None)
        if source is not None:
            files = AgentFiles(find_key_file(source))
            data = read_key_file(files.key_file)
            ring = parse_key_ring(data, passphrase=passphrase)
            access = KeyAccess(passphrase, is_sealed(data), later)
            return cls(ring, files=files, first_entry=files.load_first_entry(), url=url, access=access)
        content, mounted = os.environ.get(KEY_VARIABLE), os.environ.get(KEY_FILE_VARIABLE)
        if content:
            ring = parse_key_ring(content.encode(), passphrase=passphrase)
            return cls(ring, url=url, access=KeyAccess(passphrase, next_file=later))
        if mounted:
            ring = load_key_ring(Path(mounted), mounted=True, passphrase=passphrase)
            return cls(ring, url=url, access=KeyAccess(passphrase, next_file=later))
        raise AgentKeyMissingError(f"give a name or a file, or set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}")

    @classmethod
    def with_signer(cls, did: str, signer: Signer, *, url: str | None = None) -> Self:
        """Return an agent that signs by a signer of its own, for example a device; its DID is changed elsewhere.

        Args:
            did: the agent's DID.
            signer: signs as a verification method of it.
            url: its registry; None as in the class.
        """
        return cls(SignerIdentity(did, signer), url=url)

    @classmethod
    def recover(
        cls,
        did: str,
        next_keys: Path,
        *,
        path: str | Path | None = None,
        url: str | None = None,
        passphrase: Passphrase | None = None,
    ) -> tuple[Self, Receipt]:
        """Take an identity back whose keys are lost, with the next keys alone: everything else is made anew.

        Args:
            did: the agent's DID.
            next_keys: the file with the next keys; it is left as it is.
            path: the new key file; None makes ``<last part of the DID>.json`` in the agents' folder.
            url: the registry; None is ``$BONAFIDES_URL``.
            passphrase: of the file with the next keys, and of the new ones if that is sealed.

        Raises:
            BonafidesError: ``key_file_exists``, ``next_keys_not_committed``, and as `rotate`.
        """
        files = AgentFiles(Path(path) if path else agents_folder() / f"{check_name(did.rpartition(':')[2])}.json")
        if files.key_file.exists():
            raise KeyFileExistsError(files.key_file.name)
        passphrase = passphrase or find_passphrase()
        data = read_key_file(next_keys)
        held = parse_key_ring(data, passphrase=passphrase)
        # Its own signing key is made by the rotation; until then nothing can be signed with this one.
        blank = KeyRing(did, held.verification_method, {"signing": SigningKey(secrets.token_bytes(32))})
        files.key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        agent = cls(blank, files=files, url=url, access=KeyAccess(passphrase, is_sealed(data), None, held))
        receipt = agent.rotate()
        return agent, receipt

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
        try:
            return self._register_once()
        except RegistryRefusedError as error:
            # A registry that failed after it took the challenge (503) is asked again by the transport, and then knows it
            # no more: with a new challenge the registration goes in, or the failure itself is told.
            if error.problem_code != "challenge_unknown":
                raise
        return self._register_once()

    def _register_once(self) -> Receipt:
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

    # ------------------------------------------------------------ passport and possessions

    def upgrade(
        self, *, code_digest: bytes | None = None, model: Mapping[str, str] | None = None, owner: str | None = None
    ) -> Receipt:
        """Announce new code or a new model: the agent's passport anew, with what changed.

        Args:
            code_digest: SHA-256 of the new code, 32 bytes; None for the one before.
            model: as in `passport`; None for the one before.
            owner: names an owner, who has to counter-sign: then use `draft_upgrade`.

        Raises:
            PassportMissingError: ``passport_missing``: the first one is made by `passport`.
            BonafidesError: as `passport`.
        """
        if owner is not None or "owner" in self._last_passport():
            raise OwnerSignatureError
        return self.submit(self.draft_upgrade(code_digest=code_digest, model=model))

    def draft_upgrade(
        self, *, code_digest: bytes | None = None, model: Mapping[str, str] | None = None, owner: str | None = None
    ) -> dict[str, Any]:
        """Return a passport with what changed, signed by the agent; the owner it names adds a proof of its own.

        Arguments and errors as in `upgrade`; without ``owner`` the owner of before is named again.
        """
        before = self._last_passport()
        return issue_passport(
            purpose=before["purpose"],
            capabilities=before["capabilities"],
            code_digest=code_digest or base64url_decode(before["codeDigest"]),
            model=model or before["model"],
            runtime=before["runtime"],
            scope=before.get("scope", ()),
            owner=owner or before.get("owner"),
            version_id=self._version_id(),
            **self._issuing(),
        )

    def counter_sign(self, passport: Mapping[str, Any]) -> dict[str, Any]:
        """Return another agent's passport with this one's proof as its owner; the agent then submits it.

        Raises:
            ParseError: ``proof_signers_invalid`` where the passport names another owner.
        """
        return countersign_passport(dict(passport), signer=self._ring.signer, now_ms=self._clock.now_ms())

    def _last_passport(self) -> dict[str, Any]:
        found = self.view().transport.get(f"/v1/agents/{did_segment(self.did)}")
        if not isinstance(found.get("passport"), str):
            raise PassportMissingError
        _place, document = parse_event(self.view().transport.get(f"/v1/events/{did_segment(found['passport'])}"))
        subject = document.get("credentialSubject")
        if not isinstance(subject, dict) or base64url_encode(event_id(document)) != found["passport"]:
            raise RegistryAnswerError("that is another event")
        return subject

    def export(self, *, include_keys: bool = False) -> dict[str, Any]:
        """Return everything that is the agent's, as one JSON object (see `registry.client.export`)."""
        return export_agent(self, include_keys=include_keys)

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


def _given(passphrase: str | None) -> KeyAccess:
    return KeyAccess() if passphrase is None else KeyAccess(lambda: passphrase, sealed=True)
