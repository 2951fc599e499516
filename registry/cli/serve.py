"""`bonafides serve` and `bonafides init`: run a registry out of a data folder.

The application is loaded by name: the doors of a process do not know one another. Private keys stay in the data folder,
readable by their owner alone; of bearer keys the database has digests only.
"""

from __future__ import annotations

import errno
import signal
import socket
import ssl
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from registry.cli.output import Json, Output, no_table
from registry.config import SettingError
from registry.durable_file import make_folder, write_durably
from registry.errors import ConflictError

GRACE_S = 5
BACKLOG = 2048
OPERATOR = "operator"


class AddressInUseError(ConflictError):
    """Another program listens where the registry should."""

    code = "address_in_use"
    title = "Another program is using this address"


Host = Annotated[str | None, typer.Option("--host", help="Where to listen.  \\[default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option("--port", help="0 lets the system choose.  \\[default: 8000]")]
Data = Annotated[Path | None, typer.Option("--data", help="Keys and database.  \\[default: .bonafides]")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://user@host/name, which several processes may share, or sqlite:///file.  \\[default: a file in "
        "the data folder]. A password is better kept in BONAFIDES_DATABASE_URL or ~/.pgpass.",
    ),
]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        "--public-url",
        help="The address in DIDs, pinned for ever by the first start.  \\[default: https://registry.localhost:PORT]",
    ),
]
Dev = Annotated[bool | None, typer.Option("--dev", help="Callers on this machine need no key. Never in production.")]
Profile = Annotated[str | None, typer.Option("--profile", help="live or replay; pinned by the first start.")]
PolicyDir = Annotated[Path | None, typer.Option("--policy-dir", help="A policy pack instead of the baseline.")]
Tiles = Annotated[
    Path | None, typer.Option("--tiles", help="Publish the log in this folder too, for any server of static files.")
]
WitnessPolicy = Annotated[
    Path | None,
    typer.Option(
        "--witness-policy", help="A c2sp.org/tlog-policy file: the witnesses to ask, and how many must cosign."
    ),
]
WitnessBudget = Annotated[
    int | None, typer.Option("--witness-budget", help="Requests to one witness in a day.  \\[default: 100000]")
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--signer-record",
        help="Where the signer remembers its last checkpoint, best on another disk.  \\[default: in the data folder]",
    ),
]
ErasureKeys = Annotated[
    Path | None,
    typer.Option(
        "--erasure-keys",
        envvar="BONAFIDES_ERASURE_KEYS_DIR",
        help="The folder of the keys that openings are sealed under, apart from the database and its backups.  "
        "\\[default: in the data folder]",
    ),
]
LogOrigin = Annotated[str | None, typer.Option("--log-origin", help="The log's name; pinned by the first start.")]


def serve(
    *,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    dev: Dev = None,
    profile: Profile = None,
    policy_dir: PolicyDir = None,
    log_origin: LogOrigin = None,
    tiles: Tiles = None,
    erasure_keys: ErasureKeys = None,
    witness_policy: WitnessPolicy = None,
    witness_budget: WitnessBudget = None,
    signer_record: Record = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")] = None,
    as_json: Json = False,
) -> None:
    """Start the registry. The first start makes its keys and begins its log.

    Every option has an environment variable, BONAFIDES_ and its name: BONAFIDES_PORT, BONAFIDES_DATA_DIR …

    Example: bonafides serve --dev --port 8000
    """
    from registry.config import load_settings  # only whoever serves has the server's parts installed

    flags: dict[str, object] = {
        "host": host,
        "port": port,
        "data_dir": data,
        "database_url": database,
        "public_url": public_url,
        "dev": dev,
        "profile": profile,
        "policy_dir": policy_dir,
        "log_origin": log_origin,
        "tiles_dir": tiles,
        "erasure_keys_dir": erasure_keys,
        "witness_policy": witness_policy,
        "witness_budget": witness_budget,
        "signer_record": signer_record,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    settings = load_settings(flags)
    _check_tls(settings.tls_cert, settings.tls_key)
    # Bound before anything is opened: a taken port changes nothing, and port 0 is known before it enters any DID.
    listener = _bind(settings.host, settings.port)
    try:
        settings = load_settings(flags | {"port": listener.getsockname()[1]})
        app = import_module("registry.asgi").make_app(settings)
        operator_key = None if settings.dev else ensure_operator_key(app.state.api.registry)
        app.state.api.guard.reload(app.state.api.registry.gateways.load)
        _run(app, listener, settings, lambda: _announce(Output(as_json=as_json), app.state.api.registry, operator_key))
    finally:
        listener.close()


def init(
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    profile: Profile = None,
    log_origin: LogOrigin = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """Make the data folder, the keys and the first log entries, without serving.

    Example: bonafides init --data /srv/bonafides --public-url https://registry.example.com
    """
    from registry.bootstrap import open_registry  # only whoever serves has the server's parts installed
    from registry.config import load_settings

    settings = load_settings(
        {
            "data_dir": data,
            "database_url": database,
            "public_url": public_url,
            "profile": profile,
            "log_origin": log_origin,
            "port": port,
        }
    )
    registry = open_registry(settings)
    try:
        ensure_operator_key(registry)
        registry.log.sign_if_grown()
        _announce(Output(as_json=as_json), registry, settings.keys_dir / "operator.key", serving=False)
    finally:
        registry.database.close()


def ensure_operator_key(registry: Any) -> Path:
    """Give the operator a bearer key unless there is one; only its owner can read the file.

    Returns:
        The file; it may have been taken elsewhere by now.
    """
    from registry.bootstrap import new_bearer_key  # only whoever serves has the server's parts installed

    path: Path = registry.settings.keys_dir / "operator.key"
    with registry.database.exclusive("operator_key"):  # of several processes that start at once, one writes the file
        if not any(role == OPERATOR for _, role in registry.gateways.load().values()):
            _write_operator_key(registry, path, *new_bearer_key())
    return path


def _write_operator_key(registry: Any, path: Path, key: str, digest: bytes) -> None:
    make_folder(path.parent, mode=0o700)
    write_durably(path, f"{key}\n".encode())  # over that of a start that ended before its key was known to the database
    registry.gateways.add(OPERATOR, role=OPERATOR, key_digest=digest, now_ms=registry.clock.now_ms())


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        told = f"cannot listen on {host}:{port}: {error.strerror}"
        raise (AddressInUseError if error.errno == errno.EADDRINUSE else SettingError)(told) from error
    return listener


def _check_tls(certificate: Path | None, key: Path | None) -> None:
    """Refuse a certificate that cannot be served before a log begins that pins anything."""
    if certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one too
        raise SettingError(f"TLS cannot use {certificate} with {key}: {error.strerror or error}") from error


def _run(app: Any, listener: socket.socket, settings: Any, announce: Callable[[], None]) -> None:
    import uvicorn  # only whoever serves has it

    class Server(uvicorn.Server):
        """Says where it is once it can serve, and tells streams that it stops."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                announce()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.api.closing = True  # streams would end only with the time that is given to requests
            app.state.api.registry.verify_here()  # one that waits for a process that hangs would outlast that time
            await super().shutdown(sockets=sockets)

    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        access_log=False,
        log_level="warning",
        date_header=True,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    # uvicorn stops in order on these signals and then raises them again, for handlers such as these: the process ends
    # with 0 when it was asked to end and did.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(1)


def _announce(output: Output, registry: Any, operator_key: Path | None, *, serving: bool = True) -> None:
    """Say where the registry is, and what whoever runs it must know."""
    from registry.storage.engine import shared_database_name  # only whoever serves has the server's parts installed

    settings, genesis = registry.settings, registry.genesis
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"{scheme}://{host}:{settings.port}"
    root = settings.keys_dir / "operator-root.json"
    facts = {
        "url": url if serving else None,
        "data": str(settings.data_dir.resolve()),
        "database": shared_database_name(settings.database_url),
        "origin": genesis.origin,
        "publicUrl": genesis.public_url,
        "registryDid": genesis.registry_did,
        "profile": genesis.profile,
        "dev": settings.dev,
        "treeSize": registry.state.head.size,
        "operatorKey": str(operator_key.resolve()) if operator_key and operator_key.exists() else None,
        "operatorRoot": str(root.resolve()) if root.exists() else None,
    }
    output.result(facts, lambda: _tell(output, facts, urlsplit(genesis.public_url).netloc, scheme))


def _tell(output: Output, facts: dict[str, Any], public_host: str, scheme: str) -> None:
    table = no_table()
    for label, name in (
        ("registry", "url"), ("public URL", "publicUrl"), ("log origin", "origin"), ("log entries", "treeSize"),
        ("profile", "profile"), ("data folder", "data"), ("database", "database"), ("operator key", "operatorKey"),
    ):  # fmt: skip
        if facts[name] is not None:
            table.add_row(label, str(facts[name]))
    output.print(table)
    if facts["dev"]:
        output.warn("--dev: every caller on this machine is the operator. Never run it so in production.")
    elif scheme == "http" and facts["url"]:
        output.note(
            f"Plain HTTP. Resolvers elsewhere read DIDs at https://{public_host}: put TLS in front, or give "
            "--tls-cert and --tls-key."
        )
    if facts["operatorRoot"]:
        output.note(
            f"The operator root key lies in {facts['operatorRoot']}. It signs root lists and revocations only: "
            "take it offline, and keep a copy."
        )
    if facts["url"]:
        output.note("Stop with Ctrl-C.")


def register(app: typer.Typer) -> None:
    """Add these sub-commands."""
    app.command()(serve)
    app.command()(init)
