"""Operating the registry over HTTP: health, metrics, and what only the operator may ask for."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from did_methods.timestamp import parse_timestamp
from registry.api.agent import QueryError
from registry.api.state import ApiState, state_of
from registry.api.wire import json_response, read_json
from registry.limits import SMALL_BODY_BYTES
from registry.services.agent import select_accepted
from registry.services.submission import SequencerStoppedError, Submission

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def get_health(request: Request) -> Response:
    """Answer 200 as soon as this process can serve."""
    api = state_of(request)
    closed = api.registry.log.guard.state
    # Alive all the same: reads go on where the log is closed.
    return json_response({"status": "ok"} | ({} if closed == "open" else {"log": closed}) | api.profile)


@router.get("/readyz")
async def get_readiness(request: Request) -> Response:
    """Answer 200 while the log takes entries."""
    api = state_of(request)
    if not api.registry.sequencer.is_writable:
        raise SequencerStoppedError
    api.registry.log.guard.check_may_write()
    state_map = api.registry.state_map
    failed = api.registry.witnessing.publisher.failed or state_map.failed or state_map.publisher.failed
    failed = failed or api.registry.scrubber.found
    if failed is not None:
        raise failed
    return json_response({"status": "ready", "treeSize": api.registry.state.head.size} | api.profile)


@router.get("/metrics")
async def get_metrics(request: Request) -> Response:
    """Return counters in the Prometheus text format."""
    api = state_of(request)
    return PlainTextResponse("".join(_metrics(api)), headers={"Cache-Control": "no-store"})


def _metrics(api: ApiState) -> Iterable[str]:
    head, recorder = api.registry.state.head, api.registry.recorder
    yield f"# TYPE bonafides_log_size gauge\nbonafides_log_size {head.size}\n"
    yield f"# TYPE bonafides_agents gauge\nbonafides_agents {len(api.registry.state.tables.agents)}\n"
    yield f"# TYPE bonafides_decisions_recorded_total counter\nbonafides_decisions_recorded_total {recorder.recorded}\n"
    yield f"# TYPE bonafides_decisions_waiting gauge\nbonafides_decisions_waiting {recorder.waiting}\n"
    yield "# TYPE bonafides_decisions_total counter\n"
    for (allowed, reason), count in sorted(api.decisions.items()):
        yield f'bonafides_decisions_total{{decision="{str(allowed).lower()}",reason="{reason}"}} {count}\n'
    yield "# TYPE bonafides_refusals_total counter\n"
    for code, count in sorted(api.refusals.items()):
        yield f'bonafides_refusals_total{{code="{code}"}} {count}\n'
    yield from _publication_metrics(api)


def _publication_metrics(api: ApiState) -> Iterable[str]:
    """Yield how far signing, publishing and the witnesses are behind the log."""
    registry = api.registry
    publisher, role = registry.witnessing.publisher, registry.witnessing.role
    signed, published = publisher.sizes
    yield f"# TYPE bonafides_log_signed_size gauge\nbonafides_log_signed_size {signed}\n"
    yield f"# TYPE bonafides_log_published_size gauge\nbonafides_log_published_size {published}\n"
    yield f"# TYPE bonafides_publication_stopped gauge\nbonafides_publication_stopped {int(publisher.failed is not None)}\n"
    scrubber = registry.scrubber
    yield f"# TYPE bonafides_scrub_position gauge\nbonafides_scrub_position {scrubber.position}\n"
    yield f"# TYPE bonafides_scrub_rounds_total counter\nbonafides_scrub_rounds_total {scrubber.rounds}\n"
    yield f"# TYPE bonafides_contradictions_total counter\nbonafides_contradictions_total {role.contradictions}\n"
    yield f"# TYPE bonafides_witnessed_logs gauge\nbonafides_witnessed_logs {len(role.logs)}\n"
    if publisher.client is None:
        return
    yield "# TYPE bonafides_witness_lag_entries gauge\n"
    for name, size in sorted(publisher.client.sizes.items()):
        yield f'bonafides_witness_lag_entries{{witness="{_label(name)}"}} {max(0, registry.state.head.size - size)}\n'
    yield "# TYPE bonafides_witness_results_total counter\n"
    for (name, result), count in sorted(publisher.client.results.copy().items()):
        yield f'bonafides_witness_results_total{{witness="{_label(name)}",result="{result}"}} {count}\n'


def _label(text: str) -> str:
    """Return a name as a label's value; a policy file may hold any bytes above 0x7e in it."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain.replace("\\", "\\\\").replace('"', '\\"')


@router.post("/v1/epochs", status_code=201)
async def post_epoch(request: Request) -> Response:
    """Log an epoch now (operator). In a replay registry ``time`` names its instant."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=SMALL_BODY_BYTES)
    time = body.get("time")
    if body.keys() - {"time"} or (time is not None and api.registry.genesis.profile != "replay"):
        raise QueryError("only a replay registry takes a time, and nothing else")
    submission = api.registry.authority.epoch_submission(time_ms=None if time is None else parse_timestamp(str(time)))
    return await _submit(api, submission)


@router.post("/v1/quarantines", status_code=201)
async def post_quarantine(request: Request) -> Response:
    """Suspend an agent: ``{"did", "reason"}`` (operator)."""
    return await _change_state(request, release=False)


@router.post("/v1/releases", status_code=201)
async def post_release(request: Request) -> Response:
    """End an agent's suspension: ``{"did", "reason"}`` (operator)."""
    return await _change_state(request, release=True)


async def _change_state(request: Request, *, release: bool) -> Response:
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=SMALL_BODY_BYTES)
    did, reason = body.get("did"), body.get("reason")
    if body.keys() != {"did", "reason"} or not isinstance(did, str) or not isinstance(reason, str):
        raise QueryError("send did and reason")
    now_ms = api.registry.clock.now_ms()
    return await _submit(api, api.registry.authority.quarantine(did, reason=reason, release=release, now_ms=now_ms))


async def _submit(api: ApiState, submission: Submission) -> Response:
    outcomes = await run_in_threadpool(lambda: api.registry.sequencer.submit(submission).result())
    accepted = select_accepted(outcomes)
    return json_response({"acceptance": api.registry.events.acceptance(accepted)} | api.profile, 201)
