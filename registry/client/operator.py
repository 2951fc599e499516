"""What the operator asks of a running registry, by bearer key; with --dev, loopback callers need none.

The operator root key is not needed here: what it signs is made offline and sent like any statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from did_methods.timestamp import format_timestamp
from registry.client.transport import Transport, did_segment


class Operator:
    """The operator of one registry.

    Args:
        transport: to the registry, with the operator's bearer key unless it runs with --dev.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def transport(self) -> Transport:
        """The transport, with the operator's key."""
        return self._transport

    def epoch(self, *, time_ms: int | None = None) -> dict[str, Any]:
        """Log an epoch now: voices are computed anew.

        Args:
            time_ms: in a replay registry, the epoch's log time, milliseconds since the epoch.

        Returns:
            The registry's answer with its signed acceptance.
        """
        return self._transport.post("/v1/epochs", {} if time_ms is None else {"time": format_timestamp(time_ms)})

    def quarantine(self, did: str, *, reason: str) -> dict[str, Any]:
        """Suspend an agent.

        Args:
            did: the agent.
            reason: slug.
        """
        return self._transport.post("/v1/quarantines", {"did": did, "reason": reason})

    def release(self, did: str, *, reason: str) -> dict[str, Any]:
        """End an agent's suspension; arguments as `quarantine`."""
        return self._transport.post("/v1/releases", {"did": did, "reason": reason})

    def status_entries(
        self, purposes: Sequence[str], *, credential_id: str | None = None, messages: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Ask for status entries to put into a credential before it is signed.

        Args:
            purposes: ``revocation``, ``suspension``, ``message``.
            credential_id: by which its status is to be set later; None where its entries will name it.
            messages: what the values of ``message`` mean.

        Returns:
            Members of `credentialStatus`, one for each purpose.
        """
        body: dict[str, Any] = {"purposes": list(purposes)}
        if credential_id is not None:
            body["credentialId"] = credential_id
        if messages:
            body["messages"] = list(messages)
        found = self._transport.post("/v1/status-entries", body).get("credentialStatus")
        return [dict(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def set_status(self, credential_id: str | None, entry: Mapping[str, Any], value: bool | int) -> dict[str, Any]:
        """Set the status of a credential that this registry gave a status.

        Args:
            credential_id: of the credential; None where the whole entry is given.
            entry: ``type`` and ``statusPurpose``, or an entry of `credentialStatus` as it stands in the credential.
            value: true or false, or the number of a message.

        Returns:
            The registry's answer: what is set now.

        Raises:
            RegistryError: ``registry_refused`` with the registry's own code, for example ``status_unknown`` or
                ``status_irreversible``.
        """
        body: dict[str, Any] = {"credentialStatus": dict(entry), "status": value}
        if credential_id is not None:
            body["credentialId"] = credential_id
        return self._transport.post("/credentials/status", body)

    def rule(self, dispute: str, *, ruling: str, reason: str) -> dict[str, Any]:
        """Rule on an open dispute.

        Args:
            dispute: its event id.
            ruling: ``upheld`` or ``dismissed``.
            reason: slug.
        """
        return self._transport.post("/v1/rulings", {"dispute": dispute, "ruling": ruling, "reason": reason})

    def erase(self, *, did: str | None = None, event: str | None = None) -> dict[str, Any]:
        """Erase openings for good: all that an agent is a party to, or those of one event. Nothing else is erased.

        Args:
            did: the agent; or else
            event: event id.

        Returns:
            The registry's answer: ``erasure`` with the number of openings, and the signed acceptance.
        """
        return self._transport.post("/v1/erasures", {"did": did} if event is None else {"event": event})

    def openings(self, event: str) -> list[str]:
        """Return the disclosures that the registry keeps for an event."""
        found = self._transport.get(f"/v1/events/{event}/openings").get("openings")
        return [str(one) for one in found] if isinstance(found, list) else []

    def add_gateway(self, name: str, *, role: str = "gateway") -> str:
        """Add a caller and return its bearer key, which is shown this once.

        Args:
            name: unique.
            role: ``gateway`` or ``operator``.
        """
        return str(self._transport.post("/v1/gateways", {"name": name, "role": role})["key"])

    def remove_gateway(self, name: str) -> None:
        """Remove a caller; its key is worth nothing from then on."""
        self._transport.delete(f"/v1/gateways/{did_segment(name)}")

    def gateways(self) -> list[Mapping[str, Any]]:
        """Return name and role of every caller."""
        found = self._transport.get("/v1/gateways").get("gateways")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def add_witnessed_log(self, verifier_key: str) -> None:
        """Witness a log from now on.

        Args:
            verifier_key: of the log; its name is the origin.
        """
        self._transport.post("/v1/witness/logs", {"verifier_key": verifier_key})

    def remove_witnessed_log(self, origin: str) -> None:
        """Witness a log no more; what was cosigned stays known."""
        self._transport.delete(f"/v1/witness/logs?origin={quote(origin, safe='')}")

    def witnessed_logs(self) -> list[Mapping[str, str]]:
        """Return origin and verifier key of every witnessed log."""
        found = self._transport.get("/v1/witness/logs").get("logs")
        rows = found if isinstance(found, list) else []
        return [one for one in rows if isinstance(one, dict) and {"origin", "verifier_key"} <= one.keys()]
