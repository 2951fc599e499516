"""The stage of the demo: the registry, the actors, and what is printed and compared while the story runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.markup import escape

from registry.adapters.key_file import KeyRing, load_key_ring
from registry.cli.output import Output, make_table, short_did
from registry.client.agent import Agent
from registry.client.decision import Decision
from registry.client.errors import RegistryRefusedError
from registry.client.gateway import Gateway
from registry.client.operator import Operator
from registry.client.transport import Transport, did_segment
from registry.client.view import RegistryView
from registry.errors import RegistryError


@dataclass(slots=True)
class Actor:
    """One agent of the story."""

    name: str
    agent: Agent
    ring: KeyRing
    score: float = 25.0

    @property
    def did(self) -> str:
        """The agent's DID."""
        return self.agent.did


@dataclass
class Stage:
    """Where the story plays.

    Args:
        url: the registry.
        folder: for the actors' keys.
        operator_keys: the operator's own agent; None leaves everybody without a voice.
        bearer_key: the operator's; None for a registry with --dev.
        output: where it is told.
        suffix: appended to the actors' names, which are first come.
        audit: runs the audit; None where it is not installed.
    """

    url: str
    folder: Path
    operator_keys: Path | None
    bearer_key: str | None
    output: Output
    suffix: str
    audit: Callable[[str], tuple[int, str]] | None
    actors: dict[str, Actor] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    scene: int = 0

    @cached_property
    def transport(self) -> Transport:
        """To the registry, with the operator's key where there is one."""
        return Transport(self.url, key=self.bearer_key)

    @cached_property
    def view(self) -> RegistryView:
        """The registry as anybody sees it."""
        return RegistryView(self.transport)

    @cached_property
    def operator(self) -> Operator:
        """The operator."""
        return Operator(self.transport)

    @cached_property
    def gateway(self) -> Gateway:
        """A gateway."""
        return Gateway(self.url, self.bearer_key)

    @cached_property
    def root(self) -> Agent | None:
        """The operator's own agent, the root that voices come from."""
        return None if self.operator_keys is None else Agent(load_key_ring(self.operator_keys), url=self.url)

    # ------------------------------------------------------------ telling

    def heading(self, title: str, *sentences: str) -> None:
        """Begin a scene."""
        self.scene += 1
        self.output.print("")
        self.output.print(f"[bold cyan]{self.scene}  {title}[/]")
        for sentence in sentences:
            self.output.print(f"   {sentence}")

    def say(self, sentence: str) -> None:
        """Tell what happens."""
        self.output.print(f"   {sentence}")

    def check(self, came_out: bool, told: str) -> None:
        """Compare what happened with what the story says."""
        if came_out:
            self.output.print(f"   [green]✓[/] {told}")
        else:
            self.miss(told)

    def miss(self, told: str) -> None:
        """Say that something did not come out as told; the demo ends with a failure then."""
        self.output.print(f"   [bold red]✗[/] {told}")
        self.missed.append(f"{self.scene}: {told}")

    # ------------------------------------------------------------ scores

    def scores(self, *names: str) -> dict[str, float]:
        """Ask for the actors' scores now."""
        return {name: float(self.actors[name].agent.standing()["score"]) for name in names or self.actors}

    def show_scores(self, *names: str) -> dict[str, float]:
        """Print the actors' scores beside those shown last; return the new ones."""
        now = self.scores(*names)
        table = make_table("agent", "before", "now", "", right=("before", "now"))
        for name, score in now.items():
            before = self.actors[name].score
            moved = "" if abs(score - before) < 0.02 else ("[green]▲[/]" if score > before else "[red]▼[/]")  # noqa: PLR2004 - the clock's own drift
            table.add_row(name, f"{before:.2f}", f"{score:.2f}", moved)
            self.actors[name].score = score
        self._indented(table)
        return now

    def show_agents(self) -> None:
        """Print who registered, and where in the log."""
        table = make_table("agent", "DID", "log entry", "score", right=("log entry", "score"))
        for actor in self.actors.values():
            found = self.view.transport.get(f"/v1/agents/{did_segment(actor.did)}")
            table.add_row(actor.name, short_did(actor.did), str(found["registeredIndex"]), f"{actor.score:.2f}")
        self._indented(table)

    # ------------------------------------------------------------ decisions

    def ask(
        self,
        name: str,
        action: str,
        resource: str,
        *,
        proven: bool = True,
        credentials: Sequence[Mapping[str, Any]] = (),
    ) -> Decision:
        """Let the gateway ask about an actor, with or without the actor's proof for exactly this."""
        agent = self.actors[name].agent
        proof = agent.present(action=action, resource=resource, credentials=credentials) if proven else None
        return self.gateway.decide(agent=agent.did, action=action, resource=resource, presentation=proof)

    def show_decisions(self, rows: Sequence[tuple[str, str, str, Decision, str]]) -> None:
        """Print decisions as a table and compare each with the reason told.

        Args:
            rows: actor, action, how it was proven, the decision, the reason code that the story expects.
        """
        table = make_table("agent", "action", "class", "proof", "answer", "reason", "score", right=("score",))
        for name, action, proof, decision, _ in rows:
            verdict = "[green]allow[/]" if decision.allowed else "[red]deny[/]"
            score = "" if decision.score is None else f"{decision.score:.2f}"
            table.add_row(name, action, decision.risk, proof, verdict, decision.reason, score)
        self._indented(table)
        for name, action, _, decision, expected in rows:
            if decision.reason != expected or decision.allowed != (expected == "trust_ok"):
                self.miss(f"{name} {action}: expected {expected}, got {decision.reason}")

    def refused(self, told: str, attempt: Callable[[], object], *codes: str) -> None:
        """Let something be tried that must be refused with one of these codes."""
        try:
            attempt()
        except RegistryRefusedError as error:
            self.check(error.problem_code in codes, f"{told}: refused [dim]({escape(error.problem_code)})[/]")
        except RegistryError as error:
            self.check(error.code in codes, f"{told}: refused before it was sent [dim]({escape(error.code)})[/]")
        else:
            self.miss(f"{told}: it was taken")

    def _indented(self, table: Any) -> None:
        from rich.padding import Padding

        self.output.print(Padding(table, (0, 0, 0, 3), expand=False))
