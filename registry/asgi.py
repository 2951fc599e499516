"""Process entry: load settings from the environment, open the registry, serve the application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from registry.adapters.interpreter import settle_interpreter, without_collector
from registry.api.app import create_app
from registry.bootstrap import open_registry
from registry.config import Settings, load_settings


def make_app(settings: Settings | None = None) -> FastAPI:
    """Open the registry and return its application; the ASGI lifespan starts and stops it."""
    # An epoch needs numpy, which must not be read from the disk in a turn of the writer. Where there is no room for another
    # thread by then, the library below numpy even interrupts the process, which then stops in order as if asked to.
    import_module("registry.reputation.epoch")
    with without_collector():
        registry = open_registry(settings or load_settings({}))
    settle_interpreter()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        registry.start()
        try:
            # The pool's code is loaded by its first use, which must not be somebody's statement: a disk that fails to
            # give it would be answered as a defect of the registry.
            await run_in_threadpool(int)
            yield
        finally:
            registry.stop()

    app = create_app(registry)
    app.router.lifespan_context = lifespan
    return app
