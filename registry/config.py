"""Settings: flags win over environment, environment over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry.errors import ParseError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


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
        database_url: an SQLAlchemy URL; SQLite below data_dir by default.
        public_url: the address in DIDs and metadata; pinned in entry 0.
        origin: the log's name; None lets the first start choose.
        dev: loopback callers need no key.
        policy_dir: a folder with a policy pack; None is the built-in baseline.
        profile: ``live`` or ``replay``; pinned in entry 0.
        tls_cert, tls_key: PEM files; plain HTTP without.
        defaulted: which of ``public_url`` and ``profile`` nobody named: a log that exists keeps its own.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Path(".bonafides")
    database_url: str = ""
    public_url: str = ""
    origin: str | None = None
    dev: bool = False
    policy_dir: Path | None = None
    profile: str = "live"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    defaulted: frozenset[str] = frozenset()

    @property
    def keys_dir(self) -> Path:
        """The folder of the registry's private keys."""
        return self.data_dir / "keys"


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
    policy = pick("policy_dir", None)
    origin = pick("log_origin", None)
    cert, key = pick("tls_cert", None), pick("tls_key", None)
    settings = Settings(
        host=host,
        port=port,
        data_dir=data_dir,
        database_url=str(pick("database_url", f"sqlite:///{data_dir / 'registry.sqlite3'}")),
        public_url=public_url,
        origin=None if origin is None else str(origin),
        dev=dev,
        policy_dir=None if policy is None else Path(str(policy)),
        profile=str(pick("profile", "live")),
        tls_cert=None if cert is None else Path(str(cert)),
        tls_key=None if key is None else Path(str(key)),
        defaulted=frozenset(name for name in ("public_url", "profile") if pick(name, None) is None),
    )
    check_settings(settings)
    return settings


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


def _port(value: object) -> int:
    try:
        port = int(str(value))
    except ValueError as error:
        raise SettingError("the port is a number") from error
    if not 0 <= port < 65_536:  # noqa: PLR2004 - TCP's own limit; 0 lets the system choose
        raise SettingError("the port lies between 0 and 65535")
    return port
