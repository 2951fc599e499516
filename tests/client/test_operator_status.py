"""Setting statuses through the client, against a registry on a socket."""

from __future__ import annotations

import pytest

from registry.client.errors import RegistryRefusedError
from registry.credentials.status_entry import parse_status_entry
from registry.services.status_signing import JcsListSigner
from tests.support.client import Live


def test_the_operator_sets_a_status(live: Live) -> None:
    """By the credential's id or by the entry, seen at once; refusals carry the registry's own code."""
    statuses, root = live.world.registry.statuses, live.world.operator
    statuses.add_signer(root.did, JcsListSigner(root.signer))
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    first, second = (live.operator.status_entries(["revocation"], credential_id=name)[0] for name in ("a", "b"))
    (told,) = live.operator.status_entries(["message"], messages=["no", "yes"])
    assert live.operator.set_status(None, told, value=1)["status"] == 1
    assert live.operator.set_status("a", named, value=True)["status"] is True
    assert statuses.is_revoked_here(parse_status_entry(first))
    assert not statuses.is_revoked_here(parse_status_entry(second))
    assert live.operator.set_status(None, second, value=True)["credentialId"] is None
    assert statuses.is_revoked_here(parse_status_entry(second))
    for name, value, code in (("a", False, "status_irreversible"), ("c", True, "status_unknown")):
        with pytest.raises(RegistryRefusedError) as caught:
            live.operator.set_status(name, named, value=value)
        assert caught.value.problem_code == code
