"""A gateway's question before each action. It never raises for a denial, and whatever goes wrong is a denial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.errors import DidError
from registry.client.decision import (
    UNAVAILABLE,
    Decision,
    Resource,
    digest_parameters,
    parse_decision,
    parse_resource,
    refused,
)
from registry.client.transport import Transport
from registry.errors import RegistryError

TIMEOUT_S: Final = 3.0
TRIES: Final = 2
_PATH: Final = "/access/v1/evaluation"
_OK: Final = 200


class Gateway:
    """Asks one registry. Safe from any thread.

    Args:
        url: the registry.
        key: the gateway's bearer key (`bonafides gateway add NAME`); a registry with --dev needs none.
        timeout_s: for each wait; an answer that comes later is a denial.
        ca_file: PEM file of the authorities to trust instead of the system's.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_s: float = TIMEOUT_S, ca_file: str | None = None
    ) -> None:
        self._transport = Transport(url, key=key, timeout_s=timeout_s, tries=TRIES, ca_file=ca_file)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def decide(
        self,
        *,
        agent: str,
        action: str,
        resource: Resource,
        presentation: Mapping[str, Any] | None = None,
        parameters: Any = None,
        parameters_digest: str | None = None,
        capabilities: Sequence[Mapping[str, Any]] = (),
        risk: str | None = None,
    ) -> Decision:
        """Ask whether an agent may do an action on a resource now.

        Args:
            agent: DID of the agent that acts.
            action: name of the action, for example ``payments.refund``.
            resource: ``type:id``, a pair, or an AuthZEN object.
            presentation: what proves the agent, made by `Agent.present` for exactly this request.
            parameters: the action's parameters, a JSON value; bound by their digest. Or else
            parameters_digest: that digest.
            capabilities: capability credentials of the agent, where they do not ride in the presentation.
            risk: ``low`` to ``critical``: raises the class of the action, never lowers it.

        Returns:
            The decision. Where the registry cannot be asked or does not answer as it should, a denial with reason
            ``evaluator_unavailable``.

        Raises:
            BonafidesError: ``resource_invalid``, or the parameters are no JSON value: the caller's own mistakes.
        """
        wanted = parse_resource(resource)
        digest = digest_parameters(parameters) if parameters is not None else parameters_digest
        asked: dict[str, Any] = {
            "subject": {"type": "agent", "id": agent},
            "action": {"name": action, **({"properties": {"parameters_digest": digest}} if digest else {})},
            "resource": wanted if risk is None else wanted | {"properties": _with_risk(wanted, risk)},
        }
        proof: dict[str, Any] = {}
        if presentation is not None:
            proof["vp"] = dict(presentation)
        if capabilities:
            proof["capabilities"] = [dict(one) for one in capabilities]
        if proof:
            asked["context"] = {"presentation": proof}
        return self._ask(canonicalize(asked))

    def _ask(self, body: bytes) -> Decision:
        try:
            answer = self._transport.send("POST", _PATH, body=body)
            if answer.status != _OK:
                text = answer.body[:200].decode("utf-8", "replace")
                return refused(UNAVAILABLE, f"HTTP {answer.status}: {text}")
            return parse_decision(answer.to_object())
        except (RegistryError, DidError) as error:
            return refused(UNAVAILABLE, error.detail)


def _with_risk(resource: Mapping[str, Any], risk: str) -> dict[str, Any]:
    properties = resource.get("properties")
    return {**(properties if isinstance(properties, Mapping) else {}), "risk": risk}
