"""Our JSON-LD context over HTTP, for whoever does not bundle it; ``https://w3id.org/bonafides/v1`` is to lead here.

The bytes are those of the file that this product bundles. Until release 0.1.0 the file grows, so caches ask again daily.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from did_methods.codec import base64url_encode
from registry.api.wire import holds_version
from registry.credentials.bundled_contexts import BONAFIDES_V1_URL, context_bytes

router = APIRouter(tags=["credentials"])
CONTEXT_MAX_AGE_S: Final = 86_400
MEDIA_TYPE: Final = "application/ld+json"


@cache
def _bundled() -> tuple[bytes, str]:
    data = context_bytes(BONAFIDES_V1_URL)
    return data, base64url_encode(hashlib.sha256(data).digest())


@router.get("/contexts/bonafides/v1")
async def get_context(request: Request) -> Response:
    """Return the JSON-LD context of our kinds of credentials."""
    data, etag = _bundled()
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "Cache-Control": f"public, max-age={CONTEXT_MAX_AGE_S}",
        "ETag": f'"{etag}"',
        "X-Content-Type-Options": "nosniff",
    }
    if holds_version(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers, MEDIA_TYPE)
