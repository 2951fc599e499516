"""Process entry: load settings from the environment, open the registry, serve the application."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from registry.api.app import create_app
from registry.bootstrap import open_registry
from registry.config import Settings, load_settings

_COLLECT_AFTER = (50_000, 50, 100)
_SWITCH_S = 0.0005
"""How long a thread keeps the interpreter while others wait for it, seconds."""


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
    # A write passes from the event loop to the writer and back. At the default of 5 ms each of these steps waits so long
    # while a thread behind them computes, as the state map does every second, and what arrives meanwhile piles up.
    sys.setswitchinterval(_SWITCH_S)

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
