"""What holds for every test: hypothesis profiles, the `--full` option, loopback only, and one line on what was left out."""

from __future__ import annotations

import gc
import ipaddress
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

# Machines differ: a slow example is no failure, so no profile has a deadline. `ci` repeats the same examples.
_QUIET = [HealthCheck.too_slow]
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("full", max_examples=300, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.register_profile("long", max_examples=1_000, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.load_profile("dev")

FULL_REASON = "long test, run by scripts/test --full"


class NetworkAccessError(RuntimeError):
    """A test left this machine; not an OSError, so that no code under test takes it for a failed fetch."""


def _is_loopback(host: object) -> bool:
    if host is None or host in ("", b""):
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    # An audit hook sees name look-ups and every use of the socket module, also where the class was imported earlier.
    # It does not see what never passes through that module: uvloop with a literal address, child processes.
    if not event.startswith("socket."):
        return
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # a path or nothing: it stays on this machine
    else:
        return
    if not _is_loopback(host):
        message = f"{event} to {host!r}: tests reach loopback addresses only"
        raise NetworkAccessError(message)


@pytest.fixture(scope="session", autouse=True)
def _no_state_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what commands remember out of anybody's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one PostgreSQL server for all tests of this process that ask for it."""
    from tests.support.postgres import running_server  # the driver is loaded only where it is needed

    with running_server() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that scripts/test --full passes on."""
    parser.addoption("--full", action="store_true", help="also run the long tests, and more examples of each law")


def pytest_configure(config: pytest.Config) -> None:
    """Keep every test of this process, and of each worker, on this machine; choose how hard to try the laws."""
    sys.addaudithook(_refuse_network)
    if config.getoption("--full") and not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `full` unless it was asked for."""
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason=FULL_REASON)
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Let the collector of cycles leave alone what was loaded; walking that again and again took a twelfth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was left out and why; pytest's own summary line follows."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    told = "; ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
    terminalreporter.write_line(f"left out: {told}" if told else "left out: nothing")
