"""`runlease verify` on real servers: what is live is what was declared, until somebody changes it by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.broker_calls import make
from tests.live.deployment import Deployment
from tests.live.verifying import EXPLAINED, Verifier, ids


@pytest.fixture
def verifier(
    audited: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verifier:
    return Verifier(audited, tmp_path, monkeypatch, capsys)


def test_a_clean_site_with_leases_held_has_no_finding_but_the_explained(verifier: Verifier) -> None:
    with verifier.site.leased("migrator"), verifier.site.leased("sandbox"):
        answer = verifier.told()
    assert answer["partial"] == []
    assert answer["answered"].keys() == {f"{verifier.site.key}: server", "Vault"}
    assert ids(answer["findings"]) == EXPLAINED
    assert verifier.run("--fail-on", "critical")[0] == 0
    assert verifier.run()[0] == 3


@pytest.mark.parametrize(
    ("done", "undone", "id", "where", "mend"),
    [
        (
            "GRANT DELETE ON app.items TO {key}_reader",
            "REVOKE DELETE ON app.items FROM {key}_reader",
            "LV003",
            "access: role {key} {key}_reader",
            'REVOKE DELETE ON ALL TABLES IN SCHEMA "app" FROM "{key}_reader";',
        ),
        (
            "REVOKE SELECT ON app.items FROM {key}_reader",
            "GRANT SELECT ON app.items TO {key}_reader",
            "LV003",
            "access: role {key} {key}_reader",
            'GRANT SELECT ON ALL TABLES IN SCHEMA "app" TO "{key}_reader";',
        ),
        (
            "CREATE ROLE stranger; GRANT SELECT ON app.items TO stranger",
            "DROP OWNED BY stranger; DROP ROLE stranger",
            "LV001",
            "access: role {key} stranger",
            'REVOKE SELECT ON ALL TABLES IN SCHEMA "app" FROM "stranger";',
        ),
        (
            'CREATE ROLE "a"";b" LOGIN; GRANT {key}_reader TO "a"";b"',
            'DROP ROLE "a"";b"',
            "LV003",
            "access: role {key} {key}_reader",
            'REVOKE "{key}_reader" FROM "a"";b";',
        ),
        (
            "GRANT CONNECT ON DATABASE {key} TO PUBLIC",
            "REVOKE CONNECT ON DATABASE {key} FROM PUBLIC",
            "LV003",
            "access: database {key}",
            'REVOKE ALL ON DATABASE "{key}" FROM PUBLIC;',
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner IN SCHEMA app GRANT INSERT ON TABLES TO {key}_reader",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner IN SCHEMA app REVOKE INSERT ON TABLES FROM {key}_reader",
            "LV003",
            "access: role {key} {key}_reader",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "{key}_owner" IN SCHEMA "app"'
            ' REVOKE INSERT ON TABLES FROM "{key}_reader";',
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {key}_reader",
            "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {key}_reader",
            "LV003",
            "access: role {key} {key}_reader",
            'REVOKE EXECUTE ON FUNCTION "pg_catalog"."pg_read_file"(text) FROM "{key}_reader";',
        ),
        (
            "ALTER ROLE {key}_reader BYPASSRLS",
            "ALTER ROLE {key}_reader NOBYPASSRLS",
            "LV003",
            "access: role {key} {key}_reader",
            'ALTER ROLE "{key}_reader" NOBYPASSRLS;',
        ),
    ],
)
def test_a_difference_is_found_and_its_statement_mends_it(
    verifier: Verifier, done: str, undone: str, id: str, where: str, mend: str
) -> None:
    key = verifier.site.key
    verifier.sql(done)
    try:
        (one,) = [one for one in verifier.drift() if one.id == id]
        assert one.where == where.replace("{key}", key)
        assert one.mend == mend.replace("{key}", key)
        verifier.sql(one.mend)
        assert verifier.drift() == []
    finally:
        verifier.sql(undone)


def test_a_role_that_is_gone_is_missing_and_only_a_deployment_makes_it(verifier: Verifier) -> None:
    with verifier.after(
        "ALTER ROLE {key}_verifier RENAME TO gone", "ALTER ROLE gone RENAME TO {key}_verifier"
    ) as found:
        (missing,) = [one for one in found if one["id"] == "LV002"]
    assert missing["where"] == f"access: role {verifier.site.key} {verifier.site.key}_verifier"
    assert missing["mend"].startswith("pulumi up: ")


def test_a_policy_of_vault_that_gives_more_is_found(verifier: Verifier) -> None:
    path = "/sys/policies/acl/{installation}.reader"
    text = verifier.vault("GET", path)["data"]["policy"]
    more = f'path "{verifier.site.installation}-db/creds/migrator" {{ capabilities = ["read"] }}'
    verifier.vault("PUT", path, {"policy": f"{text}\n{more}"})
    found = verifier.found()
    verifier.vault("PUT", path, {"policy": text})
    assert {"LV001", "LV705"} <= ids(found)
    (extra,) = [one for one in found if one["id"] == "LV001"]
    assert extra["where"].startswith("access: binding ci run-reader")


@pytest.mark.parametrize("part", ["creation", "revocation", "rollback", "renew"])
def test_statements_of_a_lease_that_pass_the_broker_by_are_found(verifier: Verifier, part: str) -> None:
    path, key = "/{installation}-db/roles/reader", f"{part}_statements"
    said = verifier.vault("GET", path)["data"][key]
    verifier.vault("POST", path, {key: ["SELECT 1"]})
    found = verifier.found()
    verifier.vault("POST", path, {key: said})
    (one,) = [one for one in found if one["id"] == "LV706"]
    assert one["where"] == "Vault: lease reader"
    assert key in one["what"]


def test_a_connection_that_lets_more_leases_through_is_found(verifier: Verifier) -> None:
    path = f"/{{installation}}-db/config/{verifier.site.key}-data"
    said = verifier.vault("GET", path)["data"]
    same = {**said["connection_details"], "plugin_name": said["plugin_name"], "verify_connection": False}
    verifier.vault("POST", path, {**same, "allowed_roles": ["*"]})
    found = verifier.found()
    verifier.vault("POST", path, {**same, "allowed_roles": said["allowed_roles"]})
    (one,) = [one for one in found if one["id"] == "LV707"]
    assert one["where"] == f"Vault: connection {verifier.site.key}-data"
    assert one["what"] == "has another allowed_roles"
    assert verifier.found() == []


def test_an_audit_log_without_names_of_logins_is_found(verifier: Verifier) -> None:
    path = "/sys/mounts/{installation}-db/tune"
    verifier.vault("POST", path, {"audit_non_hmac_response_keys": []})
    found = verifier.found()
    verifier.vault("POST", path, {"audit_non_hmac_response_keys": ["username"]})
    assert ids(found) == {"LV704"}


def test_a_login_that_vault_has_no_lease_of_is_found_by_name(verifier: Verifier) -> None:
    login = "run_verifier_" + 20 * "x"
    with verifier.site.as_vault(undone=False) as session:
        make(session, "verifier", login)
        found = verifier.found()
        session.execute("SELECT runlease.drop_login(%s)", [login])
    assert [(one["id"], one["where"]) for one in found] == [("LV703", f"Vault: {login}")]
    assert verifier.found() == []
