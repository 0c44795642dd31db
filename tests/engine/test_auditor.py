"""The auditor under the real engine: it converges, its lease looks at the server, and nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.stack import Servers
from tests.engine.deployment import Deployment


@pytest.mark.parametrize("major", [15, 18])
def test_an_auditor_converges_reads_what_only_it_may_and_is_destroyed(
    major: int, request: pytest.FixtureRequest, lab_folder: Path
) -> None:
    servers: Servers = request.getfixturevalue(f"servers{major}")
    shop = Deployment(lab_folder, servers, key := f"seen{major}")
    home = f"{key}-home"
    shop.kubernetes.create_namespace(home)
    shop.apply()
    shop.database["profiles"]["auditor"] = {}
    shop.settings["leases"]["auditor"] = {"database": key, "profile": "auditor", "ttl": "5m", "max_ttl": "10m"}
    shop.settings["auditor"] = {"namespace": home, "image": "registry.internal/runlease:1", "leases": ["auditor"]}
    shop.apply()
    shop.stack.expect_unchanged()

    auditor = shop.take_scheduled("auditor", home)
    with shop.session(auditor) as session:
        assert session.execute("SELECT count(*) > 0 FROM pg_hba_file_rules()").fetchall() == [(True,)]
        assert session.execute("SELECT pg_has_role('pg_read_all_settings', 'USAGE')").fetchall() == [(True,)]
    assert shop.vault("GET", "/sys/policies/acl?list=true", token=auditor.token)["data"]["keys"]
    shop.stack.expect_unchanged()
    shop.give_back(auditor)

    del shop.settings["auditor"], shop.settings["leases"]["auditor"], shop.database["profiles"]["auditor"]
    shop.apply()
    shop.stack.expect_unchanged()
    assert not {role for role in shop.roles() if role.endswith("_auditor")}
    assert not shop.ask("SELECT FROM pg_proc WHERE proname = 'pg_hba_file_rules' AND proacl::text ~ %s", key)
    shop.stack.stack.destroy(color="never")
