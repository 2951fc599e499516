"""`bonafides demo`: starts a real server, or takes one that runs, and plays the story against it over HTTP."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from did_methods.codec import parse_json_object
from registry.cli.exits import ExitCode
from registry.cli.options import KeyFile, bearer_key
from registry.cli.output import Json, Output
from registry.errors import DependencyError

STOP_S = 10


class ServerNotStartedError(DependencyError):
    """The server of the demo did not come up; the detail is its last word."""

    code = "server_not_started"
    title = "The server did not start"


def demo(
    url: Annotated[str | None, typer.Option("--url", help="A running registry, instead of one of its own.")] = None,
    operator_keys: Annotated[
        Path | None,
        typer.Option(
            "--operator-keys",
            help="With --url: that registry's keys/operator-agent.json, whose vouches give voices. "
            "Without it the agents stay newcomers.",
        ),
    ] = None,
    witness: Annotated[
        bool, typer.Option("--witness", help="At the end, two registries of the demo's own witness each other.")
    ] = False,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Play the whole story: agents register, vouch, act; one turns bad and is cut off; the audit recomputes it all.

    Everything goes over HTTP to a real server, and every step is compared with what the story says. Ends with 1 where
    one did not come out as told.

    Example: bonafides demo
    """
    from registry.cli.demo_story import Stage, play  # the story's own imports cost more than the command's help

    output = Output(as_json=as_json)
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bonafides-demo-")))
        suffix = "" if url is None else f"-{secrets.token_hex(3)}"
        if url is None:
            url = stack.enter_context(own_server(folder / "registry"))
            operator_keys = folder / "registry" / "keys" / "operator-agent.json"
        stage = Stage(
            url=url,
            folder=folder / "agents",
            operator_keys=operator_keys,
            bearer_key=bearer_key(url, key_file, operator=True),
            output=output,
            suffix=suffix,
            audit=run_audit if find_spec("registry.cli.audit") else None,
        )
        missed = play(stage)
        if witness:
            from registry.cli.demo_witness import play_witnesses

            play_witnesses(stage, folder)
    seconds = time.monotonic() - begun
    output.result({"asTold": not missed, "missed": missed, "seconds": round(seconds, 1)}, lambda: None)
    if missed:
        output.warn(f"{len(missed)} steps did not come out as told:")
        for one in missed:
            output.warn(f"  - {one}")
        raise typer.Exit(ExitCode.REFUSED)
    output.print(f"\n[bold green]Everything came out as told, in {seconds:.0f} s.[/]")


@contextmanager
def own_server(data: Path, *more: str, port: int = 0) -> Iterator[str]:
    """Run a server of one's own and give its URL; stop it in order at the end.

    Args:
        data: its data folder.
        more: further arguments.
        port: 0 for a free one.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
    command = [sys.executable, "-m", "registry", "serve", "--port", str(port), "--data", str(data), "--dev", "--json"]
    command += more
    log = data.with_suffix(".log")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors) as process,  # noqa: S603 - our own
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                said = log.read_text("utf-8", "replace").strip().splitlines()
                raise ServerNotStartedError(said[-1] if said else "it said nothing")
            yield str(parse_json_object(line)["url"])
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def run_audit(url: str) -> tuple[int, str]:
    """Run `bonafides audit URL` as anybody would; return its exit code and what it printed."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "registry", "audit", url, "--no-state"], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def register(app: typer.Typer) -> None:
    """Add this sub-command."""
    app.command()(demo)
