"""Guarding a function: it runs only if the acting agent may call it with exactly these arguments, now.

Fails closed: no agent, no proof, no answer, an answer about other arguments, or a denial all end in
`ActionDeniedError`, and the function is not called.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from did_methods.errors import BonafidesError, DidError
from registry.client.decision import Decision, Resource, digest_parameters, refused
from registry.client.errors import ActionDeniedError, ArgumentsNotBindableError, CoroutineUnsupportedError
from registry.client.gateway import Gateway

P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class Presenter(Protocol):
    """Whoever can prove itself for one exact action: an `Agent`, or what carries an agent's proof here."""

    @property
    def did(self) -> str:
        """The acting agent."""
        ...

    def present(
        self,
        *,
        action: str,
        resource: Resource,
        parameters_digest: str,
        credentials: Sequence[Mapping[str, Any]] = (),
    ) -> Mapping[str, Any]:
        """Return a presentation bound to this action, resource and parameters."""
        ...


@dataclass(frozen=True, slots=True)
class CarriedPresentation:
    """A proof that an agent elsewhere made and sent along with its call.

    Attributes:
        did: the agent.
        presentation: what it signed; the registry refuses it for any other call than the one it was made for.
    """

    did: str
    presentation: Mapping[str, Any]

    def present(
        self,
        *,
        action: str,  # noqa: ARG002 - the proof was bound by whoever made it; the registry compares
        resource: Resource,  # noqa: ARG002
        parameters_digest: str,  # noqa: ARG002
        credentials: Sequence[Mapping[str, Any]] = (),  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return the presentation as it came."""
        return self.presentation


_acting: ContextVar[Presenter | None] = ContextVar("bonafides_acting_agent", default=None)


@contextmanager
def acting_as(agent: Presenter) -> Iterator[None]:
    """Say which agent acts in this block; guarded functions called in it ask this agent for its proof."""
    token = _acting.set(agent)
    try:
        yield
    finally:
        _acting.reset(token)


def guard(
    *,
    action: str,
    gateway: Gateway,
    resource: Resource | Callable[[Mapping[str, Any]], Resource],
    agent: Presenter | Callable[[], Presenter] | None = None,
    capabilities: Callable[[], Sequence[Mapping[str, Any]]] | Sequence[Mapping[str, Any]] = (),
    risk: str | None = None,
    encode: Callable[[Any], Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Guard a plain function.

    Args:
        action: name of the action that a call of the function is.
        gateway: whom to ask.
        resource: what the call acts on: fixed; text with names of arguments in braces, such as ``invoice:{number}``; or
            a function of the bound arguments.
        agent: who acts, or a function that says who; by default whom `acting_as` named.
        capabilities: capability credentials to show, or a function that returns them.
        risk: raises the class of the action, never lowers it.
        encode: turns an argument that is no JSON value into one, for example ``str`` for decimals.

    Returns:
        A decorator. The decorated function raises `ActionDeniedError` unless the call is allowed.

    Raises:
        CoroutineUnsupportedError: ``guard_coroutine_unsupported``, when a coroutine function is decorated.

    Spec: specs/decision.md, request binding
    """
    rule = _Rule(action, gateway, agent, capabilities, risk)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise CoroutineUnsupportedError(f"{function.__qualname__} is a coroutine function")
        bind = _Binder(function, encode)

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            arguments, digest = bind(args, kwargs)
            decision = rule.decide(digest, _resource_of(resource, arguments))
            # The arguments may be objects that somebody else changed while the registry was asked.
            if decision.allowed and bind(args, kwargs)[1] != digest:
                decision = refused("arguments_changed", "The arguments changed while the decision was made.")
            if not decision.allowed:
                raise ActionDeniedError(decision)
            return function(*args, **kwargs)

        return guarded

    return decorate


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a guard was made with, and how it asks."""

    action: str
    gateway: Gateway
    agent: Presenter | Callable[[], Presenter] | None
    capabilities: Callable[[], Sequence[Mapping[str, Any]]] | Sequence[Mapping[str, Any]]
    risk: str | None

    def decide(self, digest: str, target: Resource) -> Decision:
        """Let the acting agent prove itself for this call and ask the gateway; whatever fails is a denial."""
        who = self._acting()
        if who is None:
            return refused("agent_unknown", "No agent acts here: use acting_as, or give agent to guard.")
        shown = self.capabilities() if callable(self.capabilities) else self.capabilities
        try:
            proof = who.present(action=self.action, resource=target, parameters_digest=digest, credentials=shown)
        except BonafidesError as error:
            return refused("proof_required", f"The agent did not prove itself: {error.detail}")
        return self.gateway.decide(
            agent=who.did,
            action=self.action,
            resource=target,
            presentation=proof,
            parameters_digest=digest,
            risk=self.risk,
        )

    def _acting(self) -> Presenter | None:
        if self.agent is None:
            return _acting.get()
        return self.agent if isinstance(self.agent, Presenter) else self.agent()


def digest_call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the digest that a guarded function's call is bound by, for an agent that proves itself from elsewhere.

    Args:
        function: the guarded function, or the plain one below it.
        *args: as in the call.
        **kwargs: as in the call.

    Raises:
        ArgumentsNotBindableError: ``arguments_not_bindable``.
    """
    return _Binder(inspect.unwrap(function), None)(args, kwargs)[1]


class _Binder:
    """Turns a call into the digest of the function's name and its arguments, defaults included."""

    def __init__(self, function: Callable[..., Any], encode: Callable[[Any], Any] | None) -> None:
        self._signature = inspect.signature(function)
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._encode = encode

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: self._json(value, name) for name, value in bound.arguments.items()}
        try:
            return arguments, digest_parameters({"function": self._name, "arguments": arguments})
        except DidError as error:
            raise ArgumentsNotBindableError(f"an argument has no exact JSON form ({error.code})") from error

    def _json(self, value: Any, name: str) -> Any:
        """Return a value as JSON, a copy all the way down."""
        match value:
            case None | bool() | int() | float() | str():
                return value
            case Mapping():
                if not all(isinstance(key, str) for key in value):
                    raise ArgumentsNotBindableError(f"{name} has keys that are not text")
                return {key: self._json(item, name) for key, item in value.items()}
            case list() | tuple():
                return [self._json(item, name) for item in value]
        if self._encode is None:
            raise ArgumentsNotBindableError(f"{name} is a {type(value).__name__}; give guard an encode function")
        encoded = self._encode(value)
        if type(encoded) is type(value):
            raise ArgumentsNotBindableError(f"encode left {name} a {type(value).__name__}")
        return self._json(encoded, name)


def _resource_of(
    resource: Resource | Callable[[Mapping[str, Any]], Resource], arguments: Mapping[str, Any]
) -> Resource:
    if isinstance(resource, str):
        return resource.format_map(arguments)
    return resource(arguments) if callable(resource) else resource
