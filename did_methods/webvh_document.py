"""The documents that follow from a did:webvh state: as resolved, and as the parallel did:web.

Decides which implicit services are added and how the did:web twin is spelled. It verifies nothing: a state was.
"""

from __future__ import annotations

from typing import Any, Final

from did_methods.webvh_entry import replace_text
from did_methods.webvh_state import WebvhState, parse_webvh_did

LINKED_VP_CONTEXT: Final = "https://identity.foundation/linked-vp/contexts/v1"


def resolved_document(state: WebvhState) -> dict[str, Any]:
    """Return the document of a state with the implicit services ``#files`` and ``#whois`` where it has none.

    Spec: did:webvh 1.0 DID URL Resolution
    """
    stated = state.raw_document.get("service", [])
    services = list(stated) if isinstance(stated, list) else [stated]
    base_url = parse_webvh_did(state.did).location.base_url
    implicit: list[dict[str, Any]] = [
        {"id": f"{state.did}#files", "type": "relativeRef", "serviceEndpoint": base_url},
        {
            "@context": LINKED_VP_CONTEXT,
            "id": f"{state.did}#whois",
            "type": "LinkedVerifiablePresentation",
            "serviceEndpoint": f"{base_url}whois.vp",
        },
    ]
    ids = [service.get("id") for service in services if isinstance(service, dict)]
    # Both spellings of an id count as stated: the controller's own service overrides the implicit one.
    missing = [each for each in implicit if each["id"] not in ids and each["id"].removeprefix(state.did) not in ids]
    return {**state.raw_document, "service": services + missing}


def parallel_did_web(state: WebvhState) -> dict[str, Any] | None:
    """Return ``did.json`` of the did:web at the same place, or None for a deactivated DID.

    Spec: did:webvh 1.0 Publishing a Parallel did:web DID
    """
    if state.deactivated:
        return None
    document = replace_text(resolved_document(state), old=f"did:webvh:{state.scid}:", new="did:web:")
    stated = document.get("alsoKnownAs", [])
    aliases = [*(stated if isinstance(stated, list) else [stated]), state.did]
    texts = [alias for alias in aliases if isinstance(alias, str) and alias != document["id"]]
    document["alsoKnownAs"] = list(dict.fromkeys(texts))  # the first of each, in order
    return document
