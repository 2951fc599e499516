"""The command `bonafides`: which sub-command lives in which module, and what an error becomes.

A sub-command's module is imported only when it is called, so that `bonafides --help` answers at once and an agent's
machine needs nothing of the server. Every error is one line with its code; a traceback is printed only on demand.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, NamedTuple

import typer

from did_methods.errors import BonafidesError
from registry.cli.exits import ExitCode, exit_code_of, problem_code_of


class Row(NamedTuple):
    """A sub-command: its name, its module below registry.cli, its panel in the help, and one line about it."""

    name: str
    module: str
    panel: str
    help: str


_RUN, _AGENT, _CHECK, _OPERATE = "Run a registry", "Be an agent", "Look and check", "Operate a registry"

COMMANDS = (
    Row("serve", "serve", _RUN, "Start the registry."),
    Row("init", "serve", _RUN, "Make the data folder, keys and first log entries, without serving."),
    Row("demo", "demo", _RUN, "Play the whole story in under a minute."),
    Row("agent", "agent", _AGENT, "Create, register, keep and look at agents."),
    Row("vouch", "vouch", _AGENT, "Vouch for another agent."),
    Row("report", "vouch", _AGENT, "Report another agent."),
    Row("revoke", "vouch", _AGENT, "Take back a vouch, report, badge, attestation or open dispute of your own."),
    Row("grant", "vouch", _AGENT, "Sign a capability for another agent; it is presented, not logged."),
    Row("delegate", "evidence", _AGENT, "Sign a hop of a delegation for another agent; it is presented, not logged."),
    Row("affiliate", "evidence", _AGENT, "Give an agent your organisation's badge."),
    Row("dispute", "evidence", _AGENT, "Dispute a report about you."),
    Row("attest", "evidence", _AGENT, "Prove afresh what you, or another agent, run."),
    Row("record", "evidence", _AGENT, "Log what you did, with commitments to your reasons."),
    Row("receipt", "evidence", _AGENT, "Agree with another agent on what happened between you."),
    Row("standing", "standing", _CHECK, "Show an agent's score, or the best and worst of all."),
    Row("decide", "decide", _CHECK, "Ask whether an agent may do an action now."),
    Row("did", "did", _CHECK, "Resolve DIDs, at a registry or from a log at hand."),
    Row("verify", "verify", _CHECK, "Verify a credential or presentation in a file."),
    Row("disclosure", "disclosure", _CHECK, "Check what was said privately against the public log."),
    Row("credential", "credential", _CHECK, "Issue, verify, show and revoke credentials of any kind."),
    Row("log", "log", _CHECK, "Check the log, show its entries, prove that they are in it, follow new ones."),
    Row("audit", "audit", _CHECK, "Recompute everything from the public log and compare."),
    Row("epoch", "epoch", _OPERATE, "Log an epoch: voices are computed anew."),
    Row("root", "root", _OPERATE, "Show and change the roots that voices come from."),
    Row("ruling", "ruling", _OPERATE, "Rule on a disputed report."),
    Row("erase", "erase", _OPERATE, "Erase what was said privately: openings, and nothing else."),
    Row("backup", "backup", _OPERATE, "Back up the registry into a file, while it serves."),
    Row("restore", "backup", _OPERATE, "Restore a backup: verified, and caught up with what was erased since."),
    Row("gateway", "gateway", _OPERATE, "Give and take away the keys of gateways."),
    Row("witness", "witness", _OPERATE, "Witness other logs, and verify evidence of split views."),
    Row("policy", "policy", _OPERATE, "Show a policy pack, or check one."),
    Row("import", "import_ratings", _OPERATE, "Import a network of ratings into a replay registry."),
)

_HELP = """Identity, reputation and per-action decisions for AI agents.

Start with `bonafides demo`, or `bonafides serve --dev` and, in a second terminal,
`bonafides agent create alice --url http://127.0.0.1:8000 --register`.
"""


def build_app(chosen: str | None) -> typer.Typer:
    """Make the command line with the chosen sub-command loaded; the others are names with their line of help.

    Args:
        chosen: a sub-command's name; None loads none, ``*`` loads all.
    """
    app = typer.Typer(
        name="bonafides",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    loaded: set[str] = set()
    for row in COMMANDS:
        if find_spec(f"registry.cli.{row.module}") is None:
            continue
        if chosen == "*" or (chosen is not None and row.module == _module_of(chosen)):
            if row.module not in loaded:
                loaded.add(row.module)
                _register(app, row)
        else:
            app.command(row.name, help=row.help, rich_help_panel=row.panel)(_unloaded)
    return app


def _module_of(name: str) -> str | None:
    return next((row.module for row in COMMANDS if row.name == name), None)


def _register(app: typer.Typer, row: Row) -> None:
    """Add a module's sub-commands: by its `attach` or `register`, else its typer app, else the function of that name."""
    module = import_module(f"registry.cli.{row.module}")
    register: Callable[[typer.Typer], None] | None = getattr(module, "attach", getattr(module, "register", None))
    if register is not None:
        register(app)
        return
    own: Any = getattr(module, "app", None)
    if isinstance(own, typer.Typer):
        single = len(own.registered_commands) == 1 and not own.registered_groups and own.registered_callback is None
        if single:
            app.command(row.name)(own.registered_commands[0].callback or _unloaded)
        else:
            app.add_typer(own, name=row.name)
        return
    app.command(row.name)(getattr(module, row.name))


def _unloaded() -> None:
    """Stand for a sub-command whose module is not loaded."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # 40 ms that only this option pays

        typer.echo(f"bonafides {version('bonafides')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before the sub-command."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        The exit code; the table is in specs/cli.md.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    completing = "_BONAFIDES_COMPLETE" in os.environ
    chosen = "*" if completing else next((one for one in arguments if not one.startswith("-")), None)
    try:
        build_app(chosen)(args=list(arguments), prog_name="bonafides", standalone_mode=True)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else (0 if done.code is None else ExitCode.INTERNAL)
    except BonafidesError as error:
        told = error.detail if error.detail.startswith(error.title) else f"{error.title}: {error.detail}"
        if "member" in error.params:
            told += f": {error.params['member']}"
        _complain(told, problem_code_of(error))
        return exit_code_of(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # the outermost door: one line for people, the traceback on demand
        if os.environ.get("BONAFIDES_DEBUG"):
            raise
        _complain(f"{type(error).__name__}: {error} (BONAFIDES_DEBUG=1 shows where)", "internal_error")
        return ExitCode.INTERNAL
    return ExitCode.OK


def _complain(text: str, code: str) -> None:
    line = " ".join(text.split())
    sys.stderr.write(f"bonafides: {line} [{code}]\n")
