"""Small Access values that break or keep the rules on leases and their statements: (rule, case, access, where)."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from runlease.access import Access, Binding, Duration, Identity, Lease, ProfileName
from tests.unit.rule_cases_database import LEASE, lease, made_by, role


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def bound(*leases: Lease, issuers: tuple[str, ...] = ("https://oidc", "https://oidc")) -> Access:
    bindings = tuple(
        Binding(Identity("ci", "migrate", issuer, "vault"), one.name, "", "")
        for one, issuer in zip(leases, issuers, strict=True)
    )
    return Access("shop-prod", roles=(role(name="own", runs_as="shop_owner"),), leases=leases, bindings=bindings)


MIGRATOR = replace(LEASE, name="migrate", profile=ProfileName.MIGRATOR, role="own")
GRANT_LEFT = 'CREATE ROLE "{{name}}" LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA app TO "{{name}}"'
MEMBER = 'CREATE ROLE "{{name}}" LOGIN IN ROLE app; GRANT app TO "{{name}}"; COMMENT ON ROLE "{{name}}" IS \'a lease\''

BROKEN: list[tuple[str, str, Access, str]] = [
    ("RL012", "an hour and a second", lease(max_ttl=Duration(3601)), "lease load"),
    ("RL013", "half an hour", lease(ttl=Duration(1800)), "lease load"),
    ("RL017", "a grant", made_by(GRANT_LEFT), "lease load"),
    ("RL017", "a statement of its own", made_by(MEMBER, 'grant all on schema app to "{{name}}"'), "lease load"),
    (
        "RL017",
        "behind a comment",
        made_by('SELECT 1 /* ; */; GRANT /* ; */ USAGE ON SCHEMA app TO "{{name}}"'),
        "lease load",
    ),
    ("RL017", "behind a text that looks like a comment", made_by("SELECT '--'; " + GRANT_LEFT), "lease load"),
    ("RL017", "behind an escaped quote", made_by("SELECT E'\\' -- '; " + GRANT_LEFT), "lease load"),
    (
        "RL017",
        "in a block",
        made_by("DO $$ BEGIN EXECUTE format('GRANT SELECT ON app.t TO %I', x); END $$"),
        "lease load",
    ),
    ("RL017", "in base64", made_by(coded(GRANT_LEFT)), "lease load"),
    ("RL017", "in JSON", made_by(json.dumps(["SELECT 1", GRANT_LEFT])), "lease load"),
    ("RL017", "in JSON in base64", made_by(coded(json.dumps(["SELECT 1", GRANT_LEFT]))), "lease load"),
    ("RL017", "after create_login", made_by("SELECT runlease.create_login('{{name}}'); " + GRANT_LEFT), "lease load"),
    ("RL018", "none", lease(creation=(MEMBER,)), "lease load"),
    ("RL018", "an empty one", lease(creation=(MEMBER,), revocation=("", " ; -- later\n/* or never */")), "lease load"),
    ("RL018", "an empty one in JSON", lease(creation=(MEMBER,), revocation=("[]",)), "lease load"),
    (
        "RL029",
        "two profiles",
        bound(MIGRATOR, replace(LEASE, profile=ProfileName.READER)),
        "service account ci/migrate",
    ),
    (
        "RL029",
        "a migrator whose role was not read",
        replace(bound(MIGRATOR, LEASE), roles=()),
        "service account ci/migrate",
    ),
    ("RL029", "a lease of no profile", bound(replace(MIGRATOR, profile=None), LEASE), "service account ci/migrate"),
    ("RL035", "ttl over max_ttl", lease(ttl=Duration(1801)), "lease load"),
]

KEPT: list[tuple[str, str, Access]] = [
    ("RL012", "an hour", lease(max_ttl=Duration(3600))),
    ("RL013", "ten minutes", lease(ttl=Duration(600), max_ttl=Duration(600))),
    ("RL013", "renewed", lease()),
    ("RL017", "membership", made_by(MEMBER)),
    ("RL017", "membership in base64", made_by(coded(MEMBER))),
    ("RL017", "a comment", made_by("SELECT 1 -- GRANT SELECT ON t TO x\n/* GRANT SELECT ON t TO x */")),
    ("RL017", "quoted names", made_by('GRANT "on" TO "{{name}}"; GRANT "grant x on y to z" TO "{{name}}"')),
    ("RL018", "one that does something", lease(creation=(MEMBER,), revocation=("", "DROP ROLE x"))),
    ("RL018", "declared access, which knows no statements", lease()),
    ("RL029", "one tier", bound(LEASE, replace(LEASE, name="other"))),
    ("RL029", "one name in two clusters", bound(MIGRATOR, LEASE, issuers=("https://a", "https://b"))),
    ("RL035", "ttl and max_ttl", lease()),
]
