"""Credentials and presentations of other people's making, and what the doors of the VC-API say to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from did_methods.data_integrity import sign_document
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from tests.support.asgi import Answer
from tests.support.registry import GATEWAY, OPERATOR, START_MS, World

V2 = "https://www.w3.org/ns/credentials/v2"
V1 = "https://www.w3.org/2018/credentials/v1"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
SUITES = (
    "eddsa-jcs-2022",
    "eddsa-rdfc-2022",
    "ecdsa-jcs-2019-p256",
    "ecdsa-jcs-2019-p384",
    "ecdsa-rdfc-2019-p256",
    "ecdsa-rdfc-2019-p384",
    "status",
)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a did:key, unknown to any registry."""

    signer: KeySigner

    @classmethod
    def named(cls, name: str) -> Party:
        """Make the party of a name; the same name gives the same keys."""
        return cls(key_signer(SigningKey(hashlib.sha256(name.encode()).digest())))

    @property
    def did(self) -> str:
        """Its did:key."""
        return self.signer.verification_method.partition("#")[0]

    def credential(self, subject: str | None = None, **members: Any) -> dict[str, Any]:
        """Issue a credential about a subject."""
        return sign_document(credential(self.did, subject, **members), signer=self.signer, created=START_MS)

    def presentation(
        self, *credentials: Any, challenge: str | None, domain: str | list[str] | None = None, **members: Any
    ) -> dict[str, Any]:
        """Present credentials."""
        document: dict[str, Any] = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": self.did, **members}
        if credentials:
            document["verifiableCredential"] = list(credentials)
        return sign_document(
            {name: value for name, value in document.items() if value is not None},
            signer=self.signer,
            created=START_MS,
            proof_purpose="authentication",
            challenge=challenge,
            domain=domain,
        )


def credential(issuer: Any, subject: str | None = None, **members: Any) -> dict[str, Any]:
    """Return an unsigned credential of the data model 2.0."""
    about = {"alumniOf": "The School of Examples", **({} if subject is None else {"id": subject})}
    return {
        "@context": [V2, EXAMPLES],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": issuer,
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": about,
        **members,
    }


def issue(world: World, suite: str = "eddsa-jcs-2022", **members: Any) -> dict[str, Any]:
    """Have a credential issued by a suite's issuer."""
    issuer = world.web.get("/issuers").json[suite]
    answer = issue_answer(world, credential(issuer, **members), suite=suite)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json["verifiableCredential"]
    return found


def issue_answer(world: World, document: Any, *, suite: str = "eddsa-jcs-2022", **more: Any) -> Answer:
    """Ask the issuer of a suite for a credential."""
    return world.web.post(f"/issuers/{suite}/credentials/issue", {"credential": document, **more}, headers=OPERATOR)


def verify(world: World, value: Any, *, known: bool = True, **options: Any) -> Answer:
    """Ask for a verdict on a credential."""
    headers = GATEWAY if known else {}
    return world.web.post("/credentials/verify", {"verifiableCredential": value, "options": options}, headers=headers)


def verify_presentation(world: World, value: Any, *, known: bool = True, **options: Any) -> Answer:
    """Ask for a verdict on a presentation."""
    headers = GATEWAY if known else {}
    body = {"verifiablePresentation": value, "options": options}
    return world.web.post("/presentations/verify", body, headers=headers)


def new_challenge(world: World) -> str:
    """Ask for a challenge of the VC-API."""
    answer = world.web.post("/challenges")
    assert answer.status == 200, answer
    return str(answer.json["challenge"])
