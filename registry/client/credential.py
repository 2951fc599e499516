"""Credentials of any kind for agents: issue with an own key, verify anybody's, or have a registry do it.

Issuing and verifying here ask nobody but those who are named: keys come from the DID itself, from documents at hand, or from
the registry that is given. What was not looked at is in the outcome's warnings, never silently left out.

Spec: VC-DATA-MODEL-2.0 4, 7; VCALM 3; specs/vc-api.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from did_methods.canonical import canonicalize
from did_methods.document import DidDocument, parse_did_document
from did_methods.keys import KeySigner
from registry.adapters.system_clock import Clock, SystemClock
from registry.client.errors import RegistryAnswerError
from registry.client.signing import Identity
from registry.client.transport import Answer, Transport, did_segment
from registry.client.view import RegistryView
from registry.credentials.errors import KeyNotFoundError
from registry.credentials.issuing import (
    SuiteIssuer,
    check_issuable,
    check_unsigned,
    sign_any_credential,
    with_securing_context,
)
from registry.credentials.jose import Algorithm, sign_vc_jwt
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import BoundKey, DocumentKeyLookup, SelfCertifyingLookup
from registry.credentials.presentation_verification import PresentationOutcome, verify_any_presentation
from registry.credentials.status_entry import StatusEntry
from registry.credentials.status_errors import StatusRetrievalError
from registry.credentials.status_list import StatusReading, check_status_list, parse_status_list, read_status
from registry.credentials.tools import Bundle, Tools
from registry.credentials.vc_api import VerifyOptions
from registry.credentials.verification import VerificationOutcome, verify_any_credential
from registry.errors import ParseError
from registry.limits import STATUS_LIST_BYTES

SUITES_OF_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ed25519": ("eddsa-jcs-2022", "eddsa-rdfc-2022"),
    "p256": ("ecdsa-jcs-2019", "ecdsa-rdfc-2019"),
    "p384": ("ecdsa-jcs-2019", "ecdsa-rdfc-2019"),
}
"""Kinds of keys to the suites that they sign in; the first is the default."""


_ALGORITHMS: Final[Mapping[str, Algorithm]] = {"ed25519": "EdDSA", "p256": "ES256", "p384": "ES384"}


class SuiteChoiceError(ParseError):
    """The key does not sign in the suite asked for."""

    code = "suite_not_of_key"
    title = "This key does not sign in that suite"


def issue_credential(
    document: Mapping[str, Any],
    identity: Identity,
    *,
    cryptosuite: str | None = None,
    json_ld: JsonLdProcessor | None = None,
    bundle: Bundle | None = None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Return a credential issued by an agent; nothing leaves this machine, and nothing is logged.

    Args:
        document: JSON object without proof; its issuer is the agent, or is absent and becomes the agent.
        identity: whose key signs.
        cryptosuite: None for the default of the key's kind; a signer that does not show its key has an Ed25519 one.
        json_ld: needed by the RDF suites, and checks every term for the others.
        bundle: schemas and documents to check by; None for none.
        clock: the agent's.

    Raises:
        SuiteChoiceError: ``suite_not_of_key``.
        BonafidesError: why the document is no credential that this agent may issue.

    Spec: VC-DATA-INTEGRITY 4.2; specs/vc-api.md "Issuing"
    """
    suites = SUITES_OF_KINDS.get(_kind_of(identity), ())
    chosen = cryptosuite or next(iter(suites), "")
    if chosen not in suites:
        raise SuiteChoiceError
    prepared = with_securing_context({"issuer": identity.did, **document})
    check_unsigned(prepared, issuer=identity.did)
    check_issuable(prepared, json_ld=json_ld, bundle=bundle or Bundle())
    issuer = SuiteIssuer(chosen, identity.did, chosen, identity.signer)
    return sign_any_credential(prepared, issuer=issuer, json_ld=json_ld, now_ms=(clock or SystemClock()).now_ms())


def issue_jwt(document: Mapping[str, Any], identity: Identity, *, clock: Clock | None = None) -> str:
    """Return a credential issued by an agent as ``vc+jwt``; nothing leaves this machine, and nothing is logged.

    Args:
        document: JSON object without proof, of data model 2.0; its issuer is the agent, or is absent and becomes the agent.
        identity: whose key signs.
        clock: the agent's.

    Raises:
        BonafidesError: why the document is no credential that this agent may issue.

    Spec: VC-JOSE-COSE 3.1.1
    """
    prepared = {"issuer": identity.did, **document}
    check_unsigned(prepared, issuer=identity.did)
    algorithm = _ALGORITHMS[_kind_of(identity)]
    now_ms = (clock or SystemClock()).now_ms()
    return sign_vc_jwt(prepared, signer=identity.signer, algorithm=algorithm, issued_ms=now_ms)


def _kind_of(identity: Identity) -> str:
    signer = identity.signer
    return signer.signing_key.public_key.kind if isinstance(signer, KeySigner) else "ed25519"


@dataclass(slots=True)
class KnownKeys:
    """Keys of DIDs that are keys; of documents at hand; and of all that a registry resolves, where one is given.

    Args:
        documents: DID documents to be trusted as they are.
        view: the registry that is asked for other DIDs; None to ask nobody.
    """

    documents: Sequence[DidDocument] = ()
    view: RegistryView | None = None
    _resolved: dict[str, DidDocument] = field(default_factory=dict)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key of a verification method; see `KeyLookup.find_key`."""
        did = verification_method.partition("#")[0]
        known = {one.id: one for one in self.documents} | self._resolved
        if did in known:
            return DocumentKeyLookup(known).find_key(verification_method, purpose)
        if did.startswith(("did:key:", "did:jwk:")):
            return SelfCertifyingLookup().find_key(verification_method, purpose)
        if self.view is None:
            raise KeyNotFoundError("nobody was asked for this DID")
        if did.startswith("did:webvh:"):
            return self.view.find_key(verification_method, purpose)
        self._resolved[did] = self._resolve(did)
        return DocumentKeyLookup(self._resolved).find_key(verification_method, purpose)

    def _resolve(self, did: str) -> DidDocument:
        assert self.view is not None, "asked above"
        answer = self.view.transport.send("GET", f"/1.0/identifiers/{did_segment(did)}").to_object()
        document = answer.get("didDocument")
        if not isinstance(document, dict) or document.get("id") != did:
            raise KeyNotFoundError("the registry does not resolve this DID")
        return parse_did_document(document)


@dataclass(frozen=True, slots=True)
class RegistryStatuses:
    """Statuses in the lists that one registry serves; its lists are verified like any credential.

    Args:
        view: the registry.
        tools: for verifying the lists.
    """

    view: RegistryView
    tools: Tools

    def check(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> tuple[StatusReading, ...]:
        """Return the status of each entry; see `StatusReader.check`.

        Raises:
            StatusRetrievalError: status_retrieval_failed, also for a list of another host, which is not asked.
            VerificationError: the codes of lists.
        """
        return tuple(self._reading(entry, issuer, now_ms) for entry in entries)

    def _reading(self, entry: StatusEntry, issuer: str, now_ms: int) -> StatusReading:
        place, public = urlsplit(entry.list_url), urlsplit(self.view.identity().public_url)
        if (place.scheme, place.netloc) != (public.scheme, public.netloc) or place.query:
            raise StatusRetrievalError("the list lies elsewhere, and only the registry was asked")
        document = self.view.transport.get(place.path)
        options = VerifyOptions()
        outcome = verify_any_credential(document, tools=self.tools, options=options, now_ms=now_ms)
        if outcome.problems:
            raise outcome.problems[0]
        found = parse_status_list(document, max_bytes=STATUS_LIST_BYTES)
        check_status_list(found, entry, issuer=issuer, now_ms=now_ms)
        return read_status(found, entry)


def verify_credential(
    value: Mapping[str, Any] | str,
    *,
    keys: KnownKeys | None = None,
    proof_alone: bool = False,
    json_ld: JsonLdProcessor | None = None,
    bundle: Bundle | None = None,
    clock: Clock | None = None,
) -> VerificationOutcome:
    """Verify anybody's credential here; who is asked for keys and statuses is in ``keys``.

    Args:
        value: a credential with proof, or an envelope.
        keys: None for DIDs that are keys, and nothing else.
        proof_alone: judge the proof only.
        json_ld: needed by the RDF suites, and checks every term for the others.
        bundle: schemas and documents to check by; None for none.
        clock: the verifier's.

    Returns:
        What was looked at and how it came out; ``verified`` says it in a word.

    Raises:
        BonafidesError: the registry that is asked does not answer, or a processor is missing.

    Spec: VC-DATA-MODEL-2.0 7.1; specs/vc-api.md "Steps"
    """
    options = VerifyOptions(proof_alone=proof_alone)
    now_ms = (clock or SystemClock()).now_ms()
    return verify_any_credential(_plain(value), tools=_tools(keys, json_ld, bundle), options=options, now_ms=now_ms)


def verify_presentation(
    value: Mapping[str, Any] | str,
    *,
    challenge: str,
    domain: str | None = None,
    keys: KnownKeys | None = None,
    json_ld: JsonLdProcessor | None = None,
    bundle: Bundle | None = None,
    clock: Clock | None = None,
) -> PresentationOutcome:
    """Verify anybody's presentation here; the single use of the challenge is the caller's to keep.

    Args:
        value: a presentation with proof, or an envelope.
        challenge: that was sent.
        domain: the verifier's own; None to leave it unchecked, which is said.
        keys: as in `verify_credential`.
        json_ld: as in `verify_credential`.
        bundle: as in `verify_credential`.
        clock: as in `verify_credential`.

    Raises:
        BonafidesError: as `verify_credential`.

    Spec: VC-DATA-MODEL-2.0 4.13; specs/vc-api.md "Presentations"
    """
    return verify_any_presentation(
        _plain(value),
        tools=_tools(keys, json_ld, bundle),
        challenges=None,
        options=VerifyOptions(challenge=challenge, domain=domain),
        now_ms=(clock or SystemClock()).now_ms(),
    )


def _plain(value: Mapping[str, Any] | str) -> Any:
    return value if isinstance(value, str) else dict(value)


def _tools(keys: KnownKeys | None, json_ld: JsonLdProcessor | None, bundle: Bundle | None) -> Tools:
    known = keys or KnownKeys()
    without = Tools(known, json_ld, bundle=bundle or Bundle())
    if known.view is None:
        return without
    return Tools(known, json_ld, None, RegistryStatuses(known.view, without), bundle or Bundle())


class CredentialDesk:
    """The credential doors of one registry.

    Args:
        transport: to the registry; issuing needs the operator's key, unless it runs with --dev.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def issuers(self) -> dict[str, str]:
        """Return the DID of the issuer of each suite."""
        found = self._transport.get("/issuers")
        return {name: did for name, did in found.items() if isinstance(did, str) and did.startswith("did:")}

    def issue(
        self, document: Mapping[str, Any], *, suite: str | None = None, credential_id: str | None = None
    ) -> dict[str, Any]:
        """Have a credential issued.

        Args:
            document: names the suite's issuer.
            suite: name of an issuer; None for the default.
            credential_id: by which its status is set later, where it has no ``id``.

        Raises:
            RegistryError: as `Transport.post`.
        """
        path = "/credentials/issue" if suite is None else f"/issuers/{did_segment(suite)}/credentials/issue"
        options = {} if credential_id is None else {"options": {"credentialId": credential_id}}
        issued = self._transport.post(path, {"credential": dict(document), **options}).get("verifiableCredential")
        if not isinstance(issued, dict):
            raise RegistryAnswerError("there is no credential in it")
        return issued

    def verify(self, value: Mapping[str, Any] | str, **options: Any) -> dict[str, Any]:
        """Have a credential verified; return the registry's answer, whether it verifies or not."""
        return self._judged("/credentials/verify", {"verifiableCredential": _plain(value), "options": options})

    def verify_presentation(self, value: Mapping[str, Any] | str, **options: Any) -> dict[str, Any]:
        """Have a presentation verified; return the registry's answer, whether it verifies or not."""
        return self._judged("/presentations/verify", {"verifiablePresentation": _plain(value), "options": options})

    def challenge(self) -> str:
        """Return a challenge that one presentation may answer there."""
        return str(self._transport.post("/challenges", {})["challenge"])

    def _judged(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._transport.send("POST", path, body=canonicalize(dict(body)))
        return _verdict(answer)


def _verdict(answer: Answer) -> dict[str, Any]:
    told = answer.to_object()
    if isinstance(told.get("verified"), bool):
        return told
    code = told.get("code")
    raise RegistryAnswerError(f"HTTP {answer.status} {code if isinstance(code, str) else 'without a verdict'}")
