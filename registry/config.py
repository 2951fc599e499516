"""Settings: flags win over environment, environment over defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from did_methods.errors import DidError
from did_methods.https_location import MAX_PORT, parse_https_location
from registry.adapters.address_rules import HTTPS_PORT, FetchOverride, parse_address
from registry.errors import ParseError
from registry.limits import VERIFY_PROCESSES

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

_MOST_REQUESTS = 10_000_000
_MOST_PROCESSES = 64

_OVERRIDE = re.compile(
    r"(?P<host>[^:=;]+)(?::(?P<port>[0-9]{1,5}))?=(?P<address>\[[^\]]+\]|[^:;]+):(?P<dial>[0-9]{1,5})(?:;ca=(?P<ca>.+))?"
)


class SettingError(ParseError):
    """A setting has a value that cannot work."""

    code = "setting_invalid"
    title = "A setting is not valid"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one registry process runs.

    Attributes:
        host, port: where it listens.
        data_dir: keys, database and exports.
        database_url: ``sqlite:///path`` or ``postgresql://user@host/name``; SQLite below data_dir by default.
        public_url: the address in DIDs and metadata; pinned in entry 0.
        origin: the log's name; None lets the first start choose.
        dev: loopback callers need no key.
        policy_dir: a folder with a policy pack; None is the built-in baseline.
        profile: ``live`` or ``replay``; pinned in entry 0.
        tls_cert, tls_key: PEM files; plain HTTP without.
        erasure_keys_folder: of the keys that openings are sealed under, shared by replicas; below data_dir by default.
        tiles_dir: a folder to publish the log in, beside the database; None for none.
        witness_policy: a file that names the witnesses to ask, and the quorum; None asks nobody.
        witness_budget: requests to one witness in a day; None is the limit of this product.
        signer_record: where the log's signer remembers what it signed; None is below data_dir.
        verify_processes: processes besides this one in which large batches are verified, and one more for single statements;
            0 for none.
        fetch_overrides: hosts that the fetcher dials elsewhere, past its address rules.
        defaulted: which of ``public_url`` and ``profile`` nobody named: a log that exists keeps its own.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Path(".bonafides")
    database_url: str = field(default="", repr=False)  # may hold a password
    public_url: str = ""
    origin: str | None = None
    dev: bool = False
    policy_dir: Path | None = None
    profile: str = "live"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tiles_dir: Path | None = None
    witness_policy: Path | None = None
    witness_budget: int | None = None
    erasure_keys_folder: Path | None = None
    signer_record: Path | None = None
    verify_processes: int = 0
    fetch_overrides: tuple[FetchOverride, ...] = ()
    defaulted: frozenset[str] = frozenset()

    @property
    def keys_dir(self) -> Path:
        """The folder of the registry's private keys."""
        return self.data_dir / "keys"

    @property
    def erasure_keys_dir(self) -> Path:
        """The folder of the keys that openings are sealed under."""
        return self.erasure_keys_folder or self.data_dir / "erasure-keys"


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
    """Make settings out of flags (None = not given) and `BONAFIDES_*` variables.

    Raises:
        SettingError: ``setting_invalid``.

    Spec: DESIGN 10.
    """

    def pick(name: str, default: object) -> object:
        value = flags.get(name)
        return environment.get(f"BONAFIDES_{name.upper()}", default) if value is None else value

    data_dir = Path(str(pick("data_dir", ".bonafides")))
    dev = str(pick("dev", "")).lower() in ("1", "true", "yes")
    host, port = str(pick("host", "127.0.0.1")), _port(pick("port", 8000))
    public_url = str(pick("public_url", f"https://registry.localhost:{port}")).rstrip("/")
    origin = pick("log_origin", None)
    cert, key = _path(pick("tls_cert", None)), _path(pick("tls_key", None))
    settings = Settings(
        host=host,
        port=port,
        data_dir=data_dir,
        database_url=str(pick("database_url", "")) or f"sqlite:///{data_dir / 'registry.sqlite3'}",
        public_url=public_url,
        origin=None if origin is None else str(origin),
        dev=dev,
        policy_dir=_path(pick("policy_dir", None)),
        profile=str(pick("profile", "live")),
        tls_cert=cert,
        tls_key=key,
        tiles_dir=_path(pick("tiles_dir", None)),
        witness_policy=_path(pick("witness_policy", None)),
        witness_budget=_budget(pick("witness_budget", None)),
        erasure_keys_folder=_path(pick("erasure_keys_dir", None)),
        signer_record=_path(pick("signer_record", None)),
        verify_processes=_processes(pick("verify_processes", None)),
        fetch_overrides=parse_fetch_overrides(str(pick("fetch_overrides", ""))),
        defaulted=frozenset(name for name in ("public_url", "profile") if pick(name, None) is None),
    )
    check_settings(settings)
    return settings


def _path(value: object) -> Path | None:
    return None if value is None else Path(str(value))


def _budget(value: object) -> int | None:
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_REQUESTS):
        raise SettingError("the witness budget is a number of requests a day")
    return int(text)


def _processes(value: object) -> int:
    """Return as many as given; by default one for each core besides the writer's, at most `VERIFY_PROCESSES`."""
    if value is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores - 1, VERIFY_PROCESSES)
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_PROCESSES):
        raise SettingError(f"the verifying processes are a number from 0 to {_MOST_PROCESSES}")
    return int(text)


def check_settings(settings: Settings) -> None:
    """Refuse settings that cannot work together.

    Raises:
        SettingError: ``setting_invalid``.
    """
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query:
        raise SettingError("the public URL is https://host[:port] without a path")
    if "." not in parts.hostname:
        raise SettingError("the public URL's host needs two labels, for example registry.localhost")
    if settings.profile not in ("live", "replay"):
        raise SettingError("the profile is live or replay")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingError("TLS needs both a certificate and a key")
    if settings.dev:
        if settings.host not in LOOPBACK_HOSTS:
            raise SettingError("--dev trusts loopback callers, so it listens on loopback only")
        if not (parts.hostname == "localhost" or parts.hostname.endswith(".localhost")):
            raise SettingError("--dev refuses a public URL that is not local")


def parse_fetch_overrides(text: str) -> tuple[FetchOverride, ...]:
    """Return the hosts that are dialled elsewhere.

    Args:
        text: ``host[:port]=address:port[;ca=/path/ca.pem]``, separated by commas; the first port is 443 where none is
            named, an IPv6 address stands in brackets. May be empty.

    Raises:
        SettingError: ``setting_invalid``.

    Spec: specs/did-method.md "Fetching"
    """
    overrides = tuple(_override(part.strip()) for part in text.split(",")) if text.strip() else ()
    if len({(one.host, one.port) for one in overrides}) != len(overrides):
        raise SettingError("a host is named twice in the fetch overrides")
    return overrides


def _override(text: str) -> FetchOverride:
    match = _OVERRIDE.fullmatch(text)
    address = None if match is None else parse_address(match["address"].strip("[]"))
    if match is None or address is None or (address.version == 6) != match["address"].startswith("["):  # noqa: PLR2004
        raise SettingError("a fetch override is host[:port]=address:port[;ca=/path/ca.pem]")
    try:
        plain = parse_https_location(match["host"]).host == match["host"]
    except DidError:
        plain = False
    ports = int(match["port"] or HTTPS_PORT), int(match["dial"])
    if not plain or not all(1 <= port <= MAX_PORT for port in ports):
        raise SettingError("a fetch override names a host in lower-case A-labels and ports from 1 to 65535")
    ca_file = None if match["ca"] is None else Path(match["ca"])
    if ca_file is not None and not ca_file.is_file():
        raise SettingError(f"the file {ca_file} of a fetch override is not there")
    return FetchOverride(match["host"], ports[0], address, ports[1], ca_file)


def _port(value: object) -> int:
    try:
        port = int(str(value))
    except ValueError as error:
        raise SettingError("the port is a number") from error
    if not 0 <= port < 65_536:  # noqa: PLR2004 - TCP's own limit; 0 lets the system choose
        raise SettingError("the port lies between 0 and 65535")
    return port
