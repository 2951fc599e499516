"""Status lists over HTTP: served to everybody in the form they ask for, set by the operator alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.api.status import list_media_type
from registry.credentials.status_entry import parse_status_entry
from registry.credentials.status_list import parse_status_list, read_status
from registry.services.status_signing import JcsListSigner
from tests.support.asgi import Answer
from tests.support.registry import GATEWAY, OPERATOR, PUBLIC_URL, World, open_world

SHARED = "https://www.w3.org/ns/credentials/status-list#"


@pytest.fixture
def issued(world: World) -> list[dict[str, Any]]:
    """Give one credential a place in a revocation list and in a suspension list of the operator's."""
    world.registry.statuses.add_signer(world.operator.did, JcsListSigner(world.operator.signer))
    purposes = ("revocation", "suspension")
    return world.registry.statuses.allocate(purposes=purposes, issuer=world.operator.did, credential_id="urn:uuid:5")


def _get(world: World, entry: dict[str, Any], **headers: str) -> Answer:
    path = entry["statusListCredential"].removeprefix(PUBLIC_URL)
    return world.web.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _status(world: World, entry: dict[str, Any]) -> int:
    document = _get(world, entry).json
    return read_status(parse_status_list(document, max_bytes=16_384), parse_status_entry(entry)).status


def _update(world: World, entry: Any, status: Any = True, *, headers: Any = OPERATOR, **more: Any) -> Answer:
    body = {"credentialId": "urn:uuid:5", "credentialStatus": entry, "status": status} | more
    body = {name: value for name, value in body.items() if value is not ...}
    return world.web.post("/credentials/status", body, headers=headers)


PURPOSE = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}


# ---------------------------------------------------------------- reading


def test_a_list_is_served_as_w3c_clients_ask(world: World, issued: list[dict[str, Any]]) -> None:
    """The suite's own Accept gets JSON, a signed list with its URL as id, cacheable for its `ttl` by anybody."""
    answer = _get(world, issued[0], accept="application/ld+json, application/json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["vary"] == "Accept"
    found = answer.json
    assert "BitstringStatusListCredential" in found["type"]
    assert (found["id"], found["issuer"]) == (issued[0]["statusListCredential"], world.operator.did)
    assert found["credentialSubject"]["ttl"] == 60_000
    assert found["proof"]["cryptosuite"] == "eddsa-jcs-2022"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/vc"),
        ("*/*", "application/vc"),
        ("application/*", "application/vc"),
        ("text/html", "application/vc"),
        ("application/vc", "application/vc"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/json;q=0.5, application/vc;q=0.4", "application/json"),
        ("application/json; q=0.5, application/ld+json; charset=utf-8; q=1.0", "application/ld+json"),
        ("application/json;q=0, application/ld+json;q=0", "application/vc"),
        ('application/ld+json;profile="x"', "application/ld+json"),
        (",;,;;q=,application/json;q=2", "application/json"),
        ("x" * 2_000 + ",application/json", "application/vc"),
    ],
)
def test_the_form_is_the_one_liked_best(accept: str, media_type: str) -> None:
    """Accept with its weights decides; whoever asks for nothing that there is gets the credential's own type."""
    assert list_media_type(accept) == media_type


def test_a_list_is_not_sent_twice(world: World, issued: list[dict[str, Any]]) -> None:
    """Whoever has the list as it stands gets 304; after a status changed, the new one."""
    etag = _get(world, issued[0]).headers["etag"]
    again = _get(world, issued[0], if_none_match=f'W/"x", {etag}')
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert _update(world, PURPOSE).status == 200
    changed = _get(world, issued[0], if_none_match=etag)
    assert (changed.status, changed.headers["etag"] != etag) == (200, True)


@pytest.mark.parametrize("list_id", ["0" * 32, "x", "%00", "..%2f", "a" * 3_000])
def test_an_unknown_list_is_a_404(world: World, list_id: str) -> None:
    """There is no list but those that were made."""
    answer = world.web.get(f"/status-lists/{list_id}")
    assert (answer.status, answer.code) in ((404, "status_list_unknown"), (404, "route_not_found"))


# ---------------------------------------------------------------- setting


def test_a_revocation_is_in_the_next_list(world: World, issued: list[dict[str, Any]]) -> None:
    """200, and the very next list has the bit; the other purpose is as it was; taking it back is a conflict."""
    assert _status(world, issued[0]) == 0
    assert _update(world, PURPOSE).status == 200
    assert [_status(world, one) for one in issued] == [1, 0]
    back = _update(world, PURPOSE, status=False)
    assert (back.status, back.code) == (409, "status_irreversible")
    assert _status(world, issued[0]) == 1


def test_a_suspension_is_set_and_ended(world: World, issued: list[dict[str, Any]]) -> None:
    """By the whole entry as it stands in the credential, there and back."""
    for value in (True, False):
        assert _update(world, issued[1], status=value, indexAllocator="urn:uuid:any").status == 200
        assert [_status(world, one) for one in issued] == [0, int(value)]


def test_setting_is_the_operators(world: World, issued: list[dict[str, Any]]) -> None:
    """Without a key 401, with a gateway's 403, and nothing is set."""
    assert _update(world, PURPOSE, headers={}).code == "bearer_key_required"
    assert _update(world, PURPOSE, headers=GATEWAY).code == "operator_only"
    assert [_status(world, one) for one in issued] == [0, 0]


def test_in_dev_loopback_may_set(tmp_path: Path) -> None:
    """With --dev a caller on this machine needs no key; from elsewhere it does."""
    with open_world(tmp_path, dev=True) as world:
        world.registry.statuses.add_signer(world.operator.did, JcsListSigner(world.operator.signer))
        world.registry.statuses.allocate(
            purposes=("revocation",), issuer=world.operator.did, credential_id="urn:uuid:5"
        )
        body = {"credentialId": "urn:uuid:5", "credentialStatus": PURPOSE, "status": True}
        assert world.web.post("/credentials/status", body, client=("192.0.2.1", 5_000)).status == 401
        assert world.web.post("/credentials/status", body).status == 200


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"credentialId": "urn:uuid:6"}, 404, "status_unknown"),
        ({"credentialStatus": PURPOSE | {"statusPurpose": "message"}}, 404, "status_unknown"),
        ({"credentialId": ...}, 400, "status_update_malformed"),
        ({"credentialId": 7}, 400, "status_update_malformed"),
        ({"credentialId": ""}, 400, "status_update_malformed"),
        ({"credentialId": "x" * 2_049}, 400, "status_update_malformed"),
        ({"credentialStatus": ...}, 400, "status_update_malformed"),
        ({"credentialStatus": [PURPOSE]}, 400, "status_update_malformed"),
        ({"credentialStatus": {"type": "BitstringStatusListEntry"}}, 400, "status_update_malformed"),
        ({"credentialStatus": {"statusPurpose": "revocation"}}, 400, "status_update_malformed"),
        ({"credentialStatus": PURPOSE | {"type": "StatusList2021Entry"}}, 400, "status_update_malformed"),
        ({"credentialStatus": PURPOSE | {"statusListIndex": "1"}}, 400, "status_update_malformed"),
        ({"status": ...}, 400, "status_update_malformed"),
        ({"status": "true"}, 400, "status_update_malformed"),
        ({"status": None}, 400, "status_update_malformed"),
        ({"status": 2}, 400, "status_update_malformed"),
        ({"status": -1}, 400, "status_update_malformed"),
        ({"more": 1}, 400, "status_update_malformed"),
    ],
)
def test_a_wrong_change_changes_nothing(
    world: World, issued: list[dict[str, Any]], changed: dict[str, Any], status: int, code: str
) -> None:
    """Unknown is 404, malformed is 400, each with its code, and no status moves."""
    answer = _update(world, PURPOSE, **changed)
    assert (answer.status, answer.code) == (status, code)
    assert [_status(world, one) for one in issued] == [0, 0]


def test_every_status_is_there_after_a_restart(tmp_path: Path) -> None:
    """A registry that comes back serves the same lists with the same statuses."""
    with open_world(tmp_path, on_disk=True) as world:
        world.registry.statuses.add_signer(world.operator.did, JcsListSigner(world.operator.signer))
        issued = world.registry.statuses.allocate(
            purposes=("revocation",), issuer=world.operator.did, credential_id="urn:uuid:5"
        )
        assert _update(world, PURPOSE).status == 200
        before = _get(world, issued[0]).body
        clock = world.clock
    with open_world(tmp_path, on_disk=True, clock=clock) as world:
        world.registry.statuses.add_signer(world.operator.did, JcsListSigner(world.operator.signer))
        assert _get(world, issued[0]).body == before
        assert _update(world, PURPOSE, status=False).code == "status_irreversible"


# ---------------------------------------------------------------- giving out


def test_entries_for_a_credential_signed_elsewhere(world: World, issued: list[dict[str, Any]]) -> None:
    """The operator gets entries in the lists of the issuer `status`, and sets them by the id that it told."""
    body = {"purposes": ["revocation", "message"], "messages": ["a", "b"], "credentialId": "urn:uuid:6"}
    answer = world.web.post("/v1/status-entries", body, headers=OPERATOR)
    assert answer.status == 201
    found = answer.json["credentialStatus"]
    assert [one["statusPurpose"] for one in found] == ["revocation", "message"]
    assert _get(world, found[0]).json["issuer"] == world.web.get("/issuers").json["status"]
    assert found[0]["statusListCredential"] != issued[0]["statusListCredential"]
    assert _update(world, PURPOSE, credentialId="urn:uuid:6").status == 200
    assert (_status(world, found[0]), _status(world, issued[0])) == (1, 0)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({"purposes": ["revocation"]}, {}, "bearer_key_required"),
        ({"purposes": ["revocation"]}, GATEWAY, "operator_only"),
        ({}, OPERATOR, "status_update_malformed"),
        ({"purposes": "revocation"}, OPERATOR, "status_update_malformed"),
        ({"purposes": [1]}, OPERATOR, "status_update_malformed"),
        ({"purposes": ["revocation"], "credentialId": 1}, OPERATOR, "status_update_malformed"),
        ({"purposes": ["revocation"], "more": 1}, OPERATOR, "status_update_malformed"),
        ({"purposes": ["message"], "messages": [1, 2]}, OPERATOR, "status_update_malformed"),
        ({"purposes": []}, OPERATOR, "status_kind_unsupported"),
        ({"purposes": ["refresh"]}, OPERATOR, "status_kind_unsupported"),
    ],
)
def test_entries_are_the_operators_to_give(
    world: World, issued: list[dict[str, Any]], body: dict[str, Any], headers: dict[str, str], code: str
) -> None:
    """Without the operator's key, or for what is not kept here, none is given out."""
    assert world.web.post("/v1/status-entries", body, headers=headers).code == code


def test_without_a_key_for_lists_none_is_given_out(world: World) -> None:
    """A registry that signs no lists says so."""
    world.registry.statuses._signers.clear()
    answer = world.web.post("/v1/status-entries", {"purposes": ["revocation"]}, headers=OPERATOR)
    assert (answer.status, answer.code) == (503, "status_key_missing")
