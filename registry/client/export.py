"""Everything that is an agent's, as one JSON object that can be read without the registry.

Format ``bonafides/agent-export/1``: the DID with its log and witness file (as ``bonafides did resolve-log`` reads them), the
agent's chain of log entries, its passport and standing as the registry states them, the acceptances it was given, and
only on demand its keys.

Spec: specs/key-file.md "Export"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from registry.client.transport import did_segment

if TYPE_CHECKING:
    from registry.client.agent import Agent

FORMAT: Final = "bonafides/agent-export/1"
_PAGE: Final = 100


def export_agent(agent: Agent, *, include_keys: bool) -> dict[str, Any]:
    """Return an agent's possessions.

    Args:
        agent: whose.
        include_keys: also the private keys, open: whoever reads the result is the agent.

    Raises:
        BonafidesError: what the registry refuses, or a DID log that contradicts the agent's record.
    """
    transport, did = agent.view().transport, agent.did
    segment = did_segment(did)
    exported: dict[str, Any] = {
        "format": FORMAT,
        "did": did,
        "registry": agent.view().identity().to_wire(),
        "agent": transport.get(f"/v1/agents/{segment}"),
        "standing": transport.get(f"/v1/agents/{segment}/standing"),
        "entries": _entries(agent, segment),
        "acceptances": agent.kept_acceptances(),
    }
    if did.startswith("did:webvh:"):
        files = agent.publishable()
        exported["didUrl"] = did
        exported["log"] = files["did.jsonl"].decode()
        exported["witness"] = files["did-witness.json"].decode() if "did-witness.json" in files else None
    if include_keys:
        exported["keys"] = agent.key_documents()
    return exported


def _entries(agent: Agent, segment: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        page = agent.view().transport.get(f"/v1/agents/{segment}/events", before=before, limit=_PAGE)
        entries.extend(page["events"])
        before = page["next"]
        if before is None:
            return entries[::-1]
