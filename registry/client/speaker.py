"""What an agent says about others and about itself: every statement signed here, sent, and acknowledged.

The registry gets signatures, never keys. What it accepts it signs for; that is verified and kept before a call returns.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import uuid4

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.data_integrity import event_id
from did_methods.keys import Signer
from registry.adapters.system_clock import Clock, SystemClock
from registry.client.decision import Resource, digest_parameters, parse_resource
from registry.client.errors import PresentationArgumentsError, RegistryAnswerError, RegistryNotChosenError
from registry.client.files import AgentFiles
from registry.client.signing import Identity
from registry.client.transport import Transport, did_segment
from registry.client.view import AcceptedEvent, RegistryIdentity, RegistryView, parse_event
from registry.credentials.commitments import SALT_BYTES, Disclosure, make_disclosure
from registry.credentials.issue import (
    issue_passport,
    issue_report,
    issue_revocation,
    issue_vouch,
)
from registry.credentials.presentation import build_presentation, request_challenge, sign_presentation

URL_VARIABLE: Final = "BONAFIDES_URL"
PRESENTATION_S: Final = 30


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the registry acknowledged, verified.

    Attributes:
        accepted: where each event stands in the log; the statement itself is the last.
        document: the registry's signed acceptance.
        statement: what was sent, complete with proof.
        disclosures: openings of its commitments; keep them, for nobody can make them again.
    """

    accepted: tuple[AcceptedEvent, ...]
    document: Mapping[str, Any] = field(repr=False)
    statement: Mapping[str, Any] = field(default_factory=dict, repr=False)
    disclosures: tuple[Disclosure, ...] = field(default=(), repr=False)

    @property
    def event(self) -> str:
        """The event id of the statement, base64url; what `Agent.revoke` takes."""
        return self.accepted[-1].event

    @property
    def index(self) -> int:
        """The statement's place in the log."""
        return self.accepted[-1].index


class Speaker:
    """Whoever holds an agent's keys.

    Args:
        ring: the keys, or who signs in their place.
        files: where they lie; None for keys from the environment.
        url: the agent's registry; None for the one remembered beside the keys, else ``$BONAFIDES_URL``.
        clock: the agent's.
    """

    def __init__(
        self,
        ring: Identity,
        *,
        files: AgentFiles | None = None,
        url: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ring = ring
        self._files = files
        self._clock = clock or SystemClock()
        self._pinned = files.load_registry() if files else None
        self._url = url or (self._pinned.url if self._pinned else os.environ.get(URL_VARIABLE))
        self._view: RegistryView | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.did!r})"

    @property
    def did(self) -> str:
        """The agent's DID."""
        return self._ring.did

    @property
    def signer(self) -> Signer:
        """Signs as the agent."""
        return self._ring.signer

    @property
    def name(self) -> str:
        """The agent's name: that of its key file, else the last part of its DID."""
        return self._files.name if self._files else self.did.rpartition(":")[2]

    @property
    def key_file(self) -> str | None:
        """Where the keys lie; None for keys from the environment."""
        return str(self._files.key_file) if self._files else None

    @property
    def next_keys_file(self) -> str | None:
        """Where the keys of the next change lie beside the key file; None where they are not there."""
        return str(self._files.next_keys) if self._files and self._files.next_keys.exists() else None

    @property
    def known_url(self) -> str | None:
        """The URL of the agent's registry; None where it has none yet."""
        return self._url

    @property
    def url(self) -> str:
        """The URL of the agent's registry.

        Raises:
            RegistryNotChosenError: ``registry_not_chosen``.
        """
        if not self._url:
            raise RegistryNotChosenError
        return self._url

    def view(self) -> RegistryView:
        """Return the agent's registry, pinned to what it was before."""
        if self._view is None:
            self._view = RegistryView(Transport(self.url), pinned=self._pinned, clock=self._clock)
        return self._view

    def close(self) -> None:
        """Close the connections."""
        if self._view is not None:
            self._view.transport.close()

    # ------------------------------------------------------------ statements

    def vouch(
        self,
        did: str,
        *,
        strength: int = 50,
        context: str | None = None,
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Vouch for another agent: stake own standing on it. A newer vouch replaces the older.

        Args:
            did: the other agent.
            strength: 1 to 100, recorded and shown.
            context: capability domain, a slug; None counts overall only.
            private: names and values that the public document only commits to; see `Receipt.disclosures`.
            share: give the registry the openings too, which it keeps where they can be erased.

        Raises:
            BonafidesError: ``self_vouch``, ``registry_refused``, ``registry_unreachable``, ``acceptance_invalid``.
        """
        hidden = make_disclosures(private)
        document = issue_vouch(
            subject=did,
            strength=strength,
            context=context,
            commitments=digests(hidden),
            **self._issuing(statement=True),
        )
        return self.submit(document, disclosures=hidden, share=share)

    def report(
        self,
        did: str,
        *,
        severity: int = 50,
        category: str | None = None,
        context: str | None = None,
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Report that another agent did wrong; arguments and errors as `vouch`.

        Args:
            did: the other agent.
            severity: 1 to 100, recorded and shown.
            category: what kind of wrong, a slug.
            context: capability domain, a slug; None counts overall only.
            private: particulars that the public document only commits to.
            share: as in `vouch`.
        """
        hidden = make_disclosures(private)
        document = issue_report(
            subject=did,
            severity=severity,
            category=category,
            context=context,
            commitments=digests(hidden),
            **self._issuing(statement=True),
        )
        return self.submit(document, disclosures=hidden, share=share)

    def revoke(self, event: str) -> Receipt:
        """Take back a statement of one's own.

        Args:
            event: the statement's event id, as in `Receipt.event`.

        Raises:
            BonafidesError: ``event_not_found`` and as `vouch`.
        """
        subject = self._logged(event).get("credentialSubject")
        about = subject.get("id", "") if isinstance(subject, dict) else ""
        document = issue_revocation(subject=about, event=base64url_decode(event), **self._issuing(statement=True))
        return self.submit(document)

    def passport(
        self,
        *,
        purpose: str,
        capabilities: Sequence[str],
        code_digest: bytes,
        model: Mapping[str, str],
        runtime: str,
        scope: Sequence[str] = (),
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Log the agent's passport: what it is for, and the code and model it runs.

        Args:
            purpose: slug.
            capabilities: 1 to 16 slugs.
            code_digest: SHA-256 of the code, 32 bytes.
            model: ``{"provider": …, "name": …}`` or ``{"digest": …}``.
            runtime: slug.
            scope: slugs of what the agent confines itself to.
            private: names and values that the public document only commits to.
            share: as in `vouch`.
        """
        hidden = make_disclosures(private)
        document = issue_passport(
            purpose=purpose,
            capabilities=capabilities,
            code_digest=code_digest,
            model=model,
            runtime=runtime,
            scope=scope,
            version_id=self._version_id(),
            commitments=digests(hidden),
            **self._issuing(),
        )
        return self.submit(document, disclosures=hidden, share=share)

    def submit(
        self, document: Mapping[str, Any], *, disclosures: Sequence[Disclosure] = (), share: bool = True
    ) -> Receipt:
        """Send a signed statement and keep the registry's acceptance.

        Args:
            document: complete with proof.
            disclosures: openings of its commitments.
            share: give them to the registry, which keeps them where they can be erased; else they stay here.

        Raises:
            BonafidesError: ``registry_refused``, ``registry_unreachable``, ``acceptance_invalid``.
        """
        openings = [one.text for one in disclosures] if share else []
        body = {"event": dict(document), "openings": openings} if openings else dict(document)
        self.view().identity()  # nothing is sent to another registry than before
        receipt = self._receipt(self.view().transport.post("/v1/events", body), [event_id(dict(document))])
        return replace(receipt, statement=dict(document), disclosures=tuple(disclosures))

    # ------------------------------------------------------------ showing who one is

    def present(
        self,
        *,
        action: str | None = None,
        resource: Resource | None = None,
        parameters: Any = None,
        parameters_digest: str | None = None,
        challenge: str | None = None,
        domain: str | None = None,
        credentials: Sequence[Mapping[str, Any]] = (),
        lifetime_s: int = PRESENTATION_S,
    ) -> dict[str, Any]:
        """Prove who one is: for one exact action, or in answer to a challenge.

        Args:
            action: name of the action that the presentation is for; needs ``resource``.
            resource: what it is done to.
            parameters: the action's parameters, a JSON value, to be bound too; or else
            parameters_digest: their digest.
            challenge: what a verifier sent.
            domain: the verifier's domain; the agent's own registry by default.
            credentials: what to show along, for example capabilities.
            lifetime_s: seconds until it ends; at most 60 for an action.

        Raises:
            BonafidesError: ``presentation_arguments_invalid``, ``registry_not_chosen``.

        Spec: FORMATS "Presentation in a decision"
        """
        if (challenge is None) == (action is None) or (action is None) != (resource is None):
            raise PresentationArgumentsError
        if action is not None and resource is not None:
            wanted = parse_resource(resource)
            digest = digest_parameters(parameters) if parameters is not None else parameters_digest
            challenge = request_challenge(
                subject_id=self.did,
                action_name=action,
                resource_type=wanted["type"],
                resource_id=wanted["id"],
                parameters_digest=digest,
            )
        expires_ms = self._clock.now_ms() + lifetime_s * 1_000
        return self._presentation(
            challenge or "", domain or self._origin(), credentials=credentials, expires_ms=expires_ms
        )

    # ------------------------------------------------------------ inside

    def _logged(self, event: str) -> dict[str, Any]:
        """Return a logged statement by its event id."""
        place, logged = parse_event(self.view().transport.get(f"/v1/events/{did_segment(event)}"))
        if place.event != event or base64url_encode(event_id(logged)) != event:
            raise RegistryAnswerError("that is another event")
        return logged

    def _presentation(
        self,
        challenge: str,
        domain: str,
        *,
        credentials: Sequence[Mapping[str, Any]] = (),
        expires_ms: int | None = None,
        with_id: bool = False,
    ) -> dict[str, Any]:
        document = build_presentation(
            holder=self.did,
            uuid=str(uuid4()) if with_id else None,
            credentials=[dict(one) for one in credentials],
        )
        return sign_presentation(
            document,
            signer=self._ring.signer,
            now_ms=self._clock.now_ms(),
            domain=domain,
            challenge=challenge,
            expires_ms=expires_ms,
        )

    def _issuing(self, *, statement: bool = False) -> dict[str, Any]:
        """Return what every statement of this agent is issued with."""
        common = {"signer": self._ring.signer, "uuid": str(uuid4()), "now_ms": self._clock.now_ms()}
        return common | ({"domain": self._origin()} if statement else {})

    def _origin(self) -> str:
        """Return the log's origin: the pinned one needs no call."""
        return self._pinned.origin if self._pinned else self.view().identity().origin

    def _version_id(self) -> str | None:
        """Return the did:webvh version that a passport is bound to."""
        if not self.did.startswith("did:webvh:"):
            return None
        return self.view().version_id(self.did)

    def _remember(self, identity: RegistryIdentity) -> None:
        self._pinned = identity
        if self._files:
            self._files.save_registry(identity)

    def _receipt(self, answer: Mapping[str, Any], events: Sequence[bytes]) -> Receipt:
        document = answer.get("acceptance")
        accepted = self.view().verify_acceptance(document, events=events)
        assert isinstance(document, dict), "verified above"
        if self._files:
            self._files.keep_acceptance(document)
        if self._pinned is None:
            self._remember(self.view().identity())
        return Receipt(accepted, document)


def make_disclosures(private: Mapping[str, Any] | None) -> list[Disclosure]:
    """Return an opening for each name and value, each with a salt of its own."""
    return [
        make_disclosure(name, value, salt=secrets.token_bytes(SALT_BYTES)) for name, value in (private or {}).items()
    ]


def digests(disclosures: Sequence[Disclosure]) -> list[str]:
    """Return what the public document says of openings."""
    return [one.digest for one in disclosures]
