"""Process entry: load settings from the environment, open the registry, serve the application."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from registry.api.app import create_app
from registry.bootstrap import open_registry
from registry.config import Settings, load_settings

_COLLECT_AFTER = (50_000, 50, 100)


def make_app(settings: Settings | None = None) -> FastAPI:
    """Open the registry and return its application; the ASGI lifespan starts and stops it."""
    # The state is many small rows without cycles. At its own thresholds the collector of cycles walks all of them again
    # and again and takes a third of the time of taking events; what is loaded now it need never look at.
    gc.disable()
    try:
        registry = open_registry(settings or load_settings({}))
    finally:
        gc.enable()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        registry.start()
        try:
            yield
        finally:
            registry.stop()

    app = create_app(registry)
    app.router.lifespan_context = lifespan
    return app
