"""An agent issues a credential of a kind of its own, and anybody verifies it without asking anybody."""

from registry.client import Agent
from registry.client.credential import issue_credential, verify_credential

agent = Agent.create("issuer", method="key")
signed = issue_credential(
    {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "type": ["VerifiableCredential", "AlumniCredential"],
        "credentialSubject": {"id": "did:example:alice", "alumniOf": "The School of Examples"},
    },
    agent,
)
outcome = verify_credential(signed)
print(outcome.verified, [step.name for step in outcome.steps], list(outcome.warnings))
