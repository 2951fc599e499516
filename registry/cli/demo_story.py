"""The story of the demo, scene by scene. Every figure is the registry's own; nothing is staged but the order."""

from __future__ import annotations

import hashlib
import time
from uuid import uuid4

from rich.markup import escape

from did_methods.keys import KeySigner
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.cli.demo_stage import Actor, Stage
from registry.cli.output import short_did
from registry.client.agent import Agent
from registry.client.errors import ActionDeniedError
from registry.client.guard import CarriedPresentation, acting_as, guard
from registry.credentials.issue import issue_vouch

__all__ = ["Stage", "play"]

HONEST = ("ada", "ben", "cleo")
BAD, NEW = "mal", "nova"
INVOICE = "invoice:2026-117"
READ, DRAFT, REFUND = "payments.read", "payments.draft", "payments.refund"
_LOW, _MEDIUM = 20.0, 40.0


def play(stage: Stage) -> list[str]:
    """Play every scene; return what did not come out as told."""
    stage.output.print("[bold]Bonafides[/]: who is this agent, how has it behaved, may it do exactly this, now?")
    _open(stage)
    _register(stage)
    if stage.root is not None:
        _give_voices(stage, stage.root)
    else:
        stage.heading(
            "Nobody has a voice",
            "Voices come from the registry's roots, and the operator's keys were not given (--operator-keys).",
            "So nobody's vouch counts and everybody stays a newcomer: the story goes on without that part.",
        )
    _decide(stage)
    _guard_a_function(stage)
    if stage.root is not None:
        _turn_bad(stage)
    _try_tricks(stage)
    _cut_off(stage)
    _recompute(stage)
    return stage.missed


def _open(stage: Stage) -> None:
    identity = stage.view.identity()
    stage.heading("A registry", f"It listens at {stage.url}. Its log is called {identity.origin}.")
    stage.say("It orders, refuses and publishes. It cannot speak for an agent: it never sees a private key.")
    stage.check(stage.view.checkpoint().checkpoint.size > 0, "the log's checkpoint is signed by the log's key")


def _register(stage: Stage) -> None:
    stage.heading(
        "Five agents register themselves",
        "Each makes its own keys, answers a challenge, and is in the log: no account, no human, no e-mail.",
    )
    for name in (*HONEST, BAD, NEW):
        path = stage.folder / f"{name}{stage.suffix}.json"
        method = "key" if name == NEW else "webvh"
        agent = Agent.create(f"{name}{stage.suffix}", stage.url, public_name=True, method=method, path=path)
        agent.register()
        stage.actors[name] = Actor(name, agent, load_key_ring(path))
    stage.show_agents()
    stage.check(all(score == 25 for score in stage.scores().values()), "everybody starts at 25")  # noqa: PLR2004


def _give_voices(stage: Stage, root: Agent) -> None:
    stage.heading(
        "Trust has a source",
        f"The operator's own agent, {short_did(root.did)}, is the one root. It has met ada, ben and cleo.",
        "Each agent has one voice, and splits it among those it vouches for. A thousand fresh identities weigh nothing.",
    )
    for name in HONEST:
        root.vouch(stage.actors[name].did, strength=90)
    stage.operator.epoch()
    after = stage.show_scores()
    stage.check(all(after[name] > _MEDIUM for name in HONEST), "whom the root vouched for has risen")
    stage.check(after[NEW] == after[BAD] == 25, "nova and mal have not")  # noqa: PLR2004
    stage.say("Now they have voices of their own. They vouch for each other, and for mal, who has worked well so far.")
    for one in HONEST:
        for other in (*HONEST, BAD):
            if one != other:
                stage.actors[one].agent.vouch(stage.actors[other].did, context="payments")
    stage.operator.epoch()
    after = stage.show_scores()
    stage.check(after[BAD] > _MEDIUM, "mal stands with the others")
    stage.check(max(after.values()) <= 50, "nobody passes 50 on the first day: the rest takes time")  # noqa: PLR2004


def _decide(stage: Stage) -> None:
    stage.heading(
        "A gateway asks before each action",
        "One HTTP call: who acts, which action, on what. The agent proves itself for exactly this request.",
    )
    medium = "trust_ok" if stage.root else "trust_below_threshold"
    rows = [
        ("ada", READ, "no", stage.ask("ada", READ, INVOICE, proven=False), "trust_ok"),
        ("ada", DRAFT, "no", stage.ask("ada", DRAFT, INVOICE, proven=False), "proof_required"),
        ("ada", DRAFT, "yes", stage.ask("ada", DRAFT, INVOICE), medium),
        (BAD, DRAFT, "yes", stage.ask(BAD, DRAFT, INVOICE), medium),
        (NEW, READ, "yes", stage.ask(NEW, READ, INVOICE), "trust_ok"),
        (NEW, DRAFT, "yes", stage.ask(NEW, DRAFT, INVOICE), "trust_below_threshold"),
        ("ada", REFUND, "yes", stage.ask("ada", REFUND, INVOICE), "trust_below_threshold"),
    ]
    if not stage.root:
        rows[1] = (*rows[1][:4], "proof_required")
    stage.show_decisions(rows)
    bare = rows[-1][3]
    stage.say(f"A refund is a high-risk action. Why not ada? {', '.join(bare.reasons)}.")
    ada = stage.actors["ada"].agent
    ada.passport(
        purpose="bookkeeping",
        capabilities=["payments"],
        code_digest=hashlib.sha256(b"ada 1.0").digest(),
        model={"provider": "example", "name": "model-1"},
        runtime="python",
    )
    grantor = stage.root or stage.actors["ben"].agent
    capability = grantor.grant(ada.did, actions=[REFUND], resources=["invoice:*"])
    better = stage.ask("ada", REFUND, INVOICE, credentials=[capability])
    stage.say("Ada logs a passport (its code and model) and brings a capability credential for refunds.")
    stage.say(f"Still: {', '.join(better.reasons)}. Papers do not replace standing, and standing takes days.")
    stage.check(
        not better.allowed and len(better.reasons) < len(bare.reasons) and "passport_required" not in better.reasons,
        "the papers were accepted, and were not enough",
    )


def _guard_a_function(stage: Stage) -> None:
    stage.heading(
        "A guarded function",
        "@guard binds the call's arguments. The proof for one call is worth nothing for another.",
    )
    done: list[str] = []
    action = DRAFT if stage.root else READ

    @guard(action=action, gateway=stage.gateway, resource="invoice:{number}")
    def draft_payment(number: str, cents: int) -> str:
        done.append(f"{number}: {cents}")
        return done[-1]

    ada = stage.actors["ada"].agent
    with acting_as(ada):
        draft_payment("2026-117", 5_000)
    stage.check(done == ["2026-117: 5000"], "draft_payment('2026-117', 5000) ran, proven by ada for these arguments")
    stolen = CarriedPresentation(ada.did, ada.present(action=action, resource=INVOICE, parameters={"cents": 5_000}))
    try:
        with acting_as(stolen):
            draft_payment("2026-117", 9_999_900)
    except ActionDeniedError as error:
        stage.check(len(done) == 1, f"the same proof with another amount: denied [dim]({error.decision.reason})[/]")
    else:
        stage.miss("the same proof with another amount was taken")


def _turn_bad(stage: Stage) -> None:
    stage.heading(
        "mal turns bad",
        "It is allowed to draft payments, and drafts them to itself. Ada, ben and cleo notice, and report it.",
    )
    mal = stage.actors[BAD]
    before = stage.scores(BAD)[BAD]
    stage.check(stage.ask(BAD, DRAFT, INVOICE).allowed, "just now mal may still draft payments")
    for name in HONEST:
        stage.actors[name].agent.report(
            mal.did, severity=80, category="fraud", context="payments", private={"invoice": "2026-117"}
        )
        now = stage.scores(BAD)[BAD]
        stage.check(now < before, f"{name} reports: {before:.2f} → {now:.2f}")
        before = now
    stage.say(
        "No epoch was needed: a report by an agent with a voice counts at once. A full report outweighs four vouches."
    )
    stage.show_scores()
    stage.show_decisions(
        [
            (BAD, DRAFT, "yes", stage.ask(BAD, DRAFT, INVOICE), "trust_below_threshold"),
            (BAD, READ, "yes", stage.ask(BAD, READ, INVOICE), "trust_below_threshold"),
            ("ada", DRAFT, "yes", stage.ask("ada", DRAFT, INVOICE), "trust_ok"),
        ]
    )
    score = stage.scores(BAD)[BAD]
    stage.actors[NEW].agent.vouch(mal.did, strength=100)
    stage.check(stage.scores(BAD)[BAD] <= score, "nova, without a voice, vouches for mal: nothing moves")


def _try_tricks(stage: Stage) -> None:
    stage.heading("Tricks that do not work")
    ada, ben, mal = (stage.actors[name] for name in ("ada", "ben", BAD))
    origin = stage.view.identity().origin
    made = {"uuid": str(uuid4()), "now_ms": SystemClock().now_ms(), "domain": origin}
    signed = issue_vouch(signer=ada.ring.signer, subject=mal.did, strength=10, **made)  # type: ignore[arg-type]
    tampered = signed | {"credentialSubject": signed["credentialSubject"] | {"strength": 100}}
    stage.refused("ada's vouch, changed after ada signed it", lambda: ada.agent.submit(tampered), "proof_invalid")
    posing = KeySigner(mal.ring.keys["signing"], ada.ring.verification_method)
    made["uuid"] = str(uuid4())
    forged = issue_vouch(signer=posing, subject=mal.did, strength=100, **made)  # type: ignore[arg-type]
    stage.refused("a vouch in ada's name, signed by mal", lambda: mal.agent.submit(forged), "proof_invalid")
    stage.refused("mal vouches for itself", lambda: mal.agent.vouch(mal.did), "self_vouch")
    first = ada.agent.vouch(ben.did, strength=60)
    _, logged = _event(stage, first.event)
    again = ada.agent.submit(logged)
    stage.check(again.index == first.index, f"ada's vouch sent twice counts once: entry {first.index} both times")
    challenge = str(stage.transport.post("/v1/challenges", {})["challenge"])
    proof = ada.agent.present(challenge=challenge)
    answers = [stage.gateway.decide(agent=ada.did, action=READ, resource=INVOICE, presentation=proof) for _ in range(2)]
    stage.check(
        answers[0].allowed and answers[1].reason == "proof_replayed",
        f"a presentation replayed: first {answers[0].reason}, then {answers[1].reason}",
    )
    taken = stage.gateway.decide(agent=ben.did, action=READ, resource=INVOICE, presentation=proof)
    stage.check(not taken.allowed, f"ada's presentation shown by ben: denied [dim]({taken.reason})[/]")


def _event(stage: Stage, event: str) -> tuple[int, dict[str, object]]:
    answer = stage.transport.get(f"/v1/events/{event}")
    return int(answer["index"]), dict(answer["leaf"]["event"])


def _cut_off(stage: Stage) -> None:
    stage.heading("Quarantine", "The operator suspends mal. The next question is answered accordingly.")
    mal, ada = stage.actors[BAD], stage.actors["ada"]
    begun = time.monotonic()
    stage.operator.quarantine(mal.did, reason="fraud")
    decision = stage.ask(BAD, READ, INVOICE)
    elapsed = (time.monotonic() - begun) * 1_000
    stage.show_decisions([(BAD, READ, "yes", decision, "agent_quarantined")])
    stage.check(decision.reason == "agent_quarantined", f"from the order to the first denial: {elapsed:.0f} ms")
    stage.refused("mal reports ada in revenge", lambda: mal.agent.report(ada.did, severity=100), "agent_suspended")


def _recompute(stage: Stage) -> None:
    stage.heading("Nobody has to believe it", "Every promise that the agents were given is checked against the log.")
    kept = 0
    for actor in stage.actors.values():
        for event in actor.agent.acknowledged():
            actor.agent.view().verify_included(event)
            kept += 1
    stage.check(kept > 0, f"{kept} acknowledged events are in the log, each where its signed acceptance says")
    stage.say(f"The audit reads only the public log and recomputes everything: bonafides audit {stage.url}")
    if stage.audit is None:
        stage.say("(The audit is not part of this installation.)")
        return
    code, printed = stage.audit(stage.url)
    for line in printed.splitlines():
        stage.output.print(f"   [dim]│ {escape(line.rstrip())}[/]")
    stage.check(code == 0, "the audit agrees with the registry, to the last digit of every score")
