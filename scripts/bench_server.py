"""The registry that scripts/bench.py measures: the real application with one more address, the ceiling.

`POST /bench/route` reads its body through the same function as the decision door and returns the bytes that were put
there with `PUT /bench/route`; `GET /bench/route` returns them unasked, and `GET /bench/file` as Starlette serves a file.
Same process, same middleware, no decision.
Never part of a registry.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from registry.api.wire import NO_STORE, read_body  # noqa: E402
from registry.asgi import make_app  # noqa: E402
from registry.config import load_settings  # noqa: E402
from registry.limits import DECISION_BODY_BYTES  # noqa: E402


def add_ceiling(app: FastAPI, file: Path) -> None:
    """Add the routes that the doors are compared with."""
    kept = {"answer": b"{}"}

    async def put_answer(request: Request) -> Response:
        kept["answer"] = await read_body(request, max_bytes=DECISION_BODY_BYTES)
        await run_in_threadpool(file.write_bytes, kept["answer"])
        return Response(b"", 204)

    async def post_route(request: Request) -> Response:
        await read_body(request, max_bytes=DECISION_BODY_BYTES)
        return Response(kept["answer"], 200, NO_STORE, "application/json")

    async def get_route(_request: Request) -> Response:
        return Response(kept["answer"], 200, NO_STORE, "application/json")

    async def get_file(_request: Request) -> Response:
        return FileResponse(file, media_type="application/octet-stream")

    app.add_api_route("/bench/file", get_file, methods=["GET"])
    app.add_api_route("/bench/route", get_route, methods=["GET"])
    app.add_api_route("/bench/route", put_answer, methods=["PUT"])
    app.add_api_route("/bench/route", post_route, methods=["POST"])


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument(
        "--replay", action="store_true", help="a replay registry: no leaf budgets, log time from events"
    )
    parser.add_argument("--database", help="its URL; in the data folder by default")
    arguments = parser.parse_args()
    chosen = {"data_dir": arguments.data, "port": arguments.port, "dev": "1"}
    chosen |= {"profile": "replay"} if arguments.replay else {}
    chosen |= {"database_url": arguments.database} if arguments.database else {}
    app = make_app(load_settings(chosen, {}))
    add_ceiling(app, arguments.data / "bench.answer")
    uvicorn.run(
        app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False, proxy_headers=False,
        server_header=False, ws="none",
    )  # fmt: skip


if __name__ == "__main__":
    main()
