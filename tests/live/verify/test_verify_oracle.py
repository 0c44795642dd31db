"""pgTAP, which knows nothing of ours, sees the same violations: what it calls not ok is found, and what ok is not."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from runlease.config import load
from runlease.evidence.verify.check import Found
from runlease.evidence.verify.checks import CHECKS
from runlease.evidence.verify.edge_postgresql import ask
from runlease.evidence.verify.site import Site
from tests.live.deployment import Deployment, settings_of
from tests.live.sites import Sites

SAMPLE = [
    (
        "LV210",
        "GRANT TRIGGER ON app.items TO {key}_reader",
        "table_privs_are('app', 'items', '{key}_reader', '{SELECT}'::name[])",
    ),
    (
        "LV211",
        "GRANT CREATE ON SCHEMA app TO {key}_reader",
        "schema_privs_are('app', '{key}_reader', '{USAGE}'::name[])",
    ),
    (
        "LV212",
        "GRANT TEMPORARY ON DATABASE {key} TO {key}_reader",
        "database_privs_are('{key}', '{key}_reader', '{CONNECT}'::name[])",
    ),
    ("LV305", "GRANT SELECT ON app.items TO PUBLIC", "table_privs_are('app', 'items', '{key}_verifier', '{}'::name[])"),
    ("LV208", "GRANT {key}_seeder TO {key}_reader", "isnt_member_of('{key}_seeder', '{key}_reader')"),
    ("LV207", "GRANT pg_read_all_data TO {key}_reader", "isnt_member_of('pg_read_all_data', '{key}_reader')"),
    ("LV205", "ALTER ROLE {key}_reader LOGIN", "ok(NOT rolcanlogin) FROM pg_roles WHERE rolname = '{key}_reader'"),
    ("LV206", "ALTER ROLE {key}_reader SUPERUSER", "isnt_superuser('{key}_reader')"),
    ("LV501", "ALTER FUNCTION app.hello SECURITY DEFINER", "isnt_definer('app', 'hello', '{}'::name[])"),
    ("LV504", "ALTER TABLE app.items OWNER TO postgres", "table_owner_is('app', 'items', '{key}_owner'::name)"),
    (
        "LV512",
        "GRANT SELECT (label) ON app.items TO {key}_verifier",
        "any_column_privs_are('app', 'items', '{key}_verifier', '{}'::name[])",
    ),
    (
        "LV508",
        "CREATE RULE quiet AS ON DELETE TO app.items DO INSTEAD NOTHING",
        "rules_are('app', 'items', '{}'::name[])",
    ),
]


@pytest.fixture
def site(sites: Sites) -> Deployment:
    return sites.audited(15)


@pytest.mark.parametrize(("id", "violation", "assertion"), SAMPLE, ids=[one[0] for one in SAMPLE])
def test_what_pgtap_refuses_is_found(site: Deployment, tmp_path: Path, id: str, violation: str, assertion: str) -> None:
    ours = Site.of(site.key, load(settings_of(site, tmp_path)))

    def both(session: psycopg.Connection) -> tuple[bool, bool]:
        (said,) = session.execute(f"SELECT {assertion}".replace("{key}", site.key).encode()).fetchone() or ("",)
        checks = [check for check in CHECKS if check.id == id]
        return str(said).startswith("ok"), not [one for one in ask(ours, session, checks) if isinstance(one, Found)]

    with site.as_superuser() as session, session.transaction(force_rollback=True):
        session.execute("CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap; SET LOCAL search_path = pg_catalog, tap")
        session.execute("SELECT no_plan()")
        assert both(session) == (True, True)
        session.execute(violation.replace("{key}", site.key).encode())
        assert both(session) == (False, False)
