"""Every mistake is named with its path, what was found and a fix; all of them at once."""

from __future__ import annotations

import pytest

from runlease.config import ConfigError, load
from tests.unit.config_edits import (
    PROD,
    SHOP,
    Edit,
    at,
    cluster,
    lease,
    messages,
    pipeline,
    second_database,
    shop,
    without,
)

MISTAKES: list[tuple[str, Edit, str, str]] = [
    # unknown names
    ("unknown profile", shop(profiles={"writer": {}}), f"{SHOP}.profiles.writer: ", "'reader', 'seeder', 'migrator'"),
    ("unknown privilege", shop(profiles={"reader": {"privileges": ["TRIGGER"]}}),
     f"{SHOP}.profiles.reader.privileges: ", "expected one of members, tables, connections"),
    ("unknown setting", shop(shcemas=["app"]), f"{SHOP}.shcemas: ", "expected one of server, host"),
    ("unknown section", at("pipeline", is_={}), "access.pipeline: ", "expected one of installation, vault"),
    ("unknown schema", shop(profiles={"seeder": {"tables": ["sales.orders"]}}), f"{SHOP}.profiles.seeder.tables: ",
     "got 'sales.orders', expected one of app"),
    ("unknown lease", pipeline(tasks={"migrate": "shop-migratr"}), "access.pipelines.shop-release.tasks.migrate: ",
     "got 'shop-migratr', expected one of shop-migrator, shop-reader"),
    ("unknown database", lease(database="shopp"), "access.leases.shop-migrator.database: ",
     "got 'shopp', expected one of shop"),
    ("profile that is not offered", lease(profile="sandbox"), "access.leases.shop-migrator.profile: ",
     "got 'sandbox', expected one of migrator, reader, seeder"),
    ("unknown profile of a lease", lease(profile="admin"), "access.leases.shop-migrator.profile: ", "got 'admin'"),
    ("unknown server", shop(server="rds"), f"{SHOP}.server: ", "'self_managed' or 'managed' (got 'rds')"),
    ("unknown public", shop(public="revoke_all"), f"{SHOP}.public: ", "'keep' or 'revoke'"),
    ("YAML's own off", shop(public=False), f"{SHOP}.public: ", "got False"),
    ("unknown create", shop(create=["table"]), f"{SHOP}.create.0: ", "'database', 'owner' or 'schemas'"),
    ("unknown tasks", at("tasks", is_="maybe"), "access.tasks: ", "'create' or 'existing'"),
    # what is missing
    ("no installation", without("installation"), "access.installation: ", "is missing"),
    ("no vault", without("vault"), "access.vault.address: ", "is missing"),
    ("no cluster", without("cluster"), "access.cluster.issuer: ", "is missing"),
    ("no host", without("databases", "shop", "host"), f"{SHOP}.host: ", "is missing"),
    ("no ca", without("databases", "shop", "ca"), f"{SHOP}.ca: ", "is missing"),
    ("adopted without public", without("databases", "shop", "public"), f"{SHOP}.public: ", "expected keep or revoke"),
    ("half created without public",
     lambda s: [shop(create=["owner", "schemas"])(s), s["databases"]["shop"].pop("public")],
     f"{SHOP}.public: ", "expected keep or revoke"),
    # what grants by being empty
    ("no schema", shop(schemas=[]), f"{SHOP}.schemas: ", "empty list"),
    ("no profile", shop(profiles={}), f"{SHOP}.profiles: ", "empty list"),
    ("no task", pipeline(tasks={}), "access.pipelines.shop-release.tasks: ", "empty list"),
    ("no table", shop(profiles={"seeder": {"tables": []}}), f"{SHOP}.profiles.seeder.tables: ", "empty list"),
    # profiles
    ("tables in a reader", shop(profiles={"reader": {"tables": ["app.orders"]}}), f"{SHOP}.profiles.reader.tables: ",
     "only a seeder can be narrowed"),
    ("table without schema", shop(profiles={"seeder": {"tables": ["orders"]}}), f"{SHOP}.profiles.seeder.tables.0: ",
     "expected schema.table"),
    ("table with a quote", shop(profiles={"seeder": {"tables": ['app.o"x']}}), f"{SHOP}.profiles.seeder.tables.0: ",
     "expected schema.table"),
    ("every table by a star", shop(profiles={"seeder": {"tables": ["app.*"]}}), f"{SHOP}.profiles.seeder.tables.0: ",
     "expected schema.table"),
    ("table of 64 bytes", shop(profiles={"seeder": {"tables": ["app." + "t" * 64]}}),
     f"{SHOP}.profiles.seeder.tables.0: ", "at most 63 bytes"),
    ("no connection", shop(profiles={"reader": {"connections": 0}}), f"{SHOP}.profiles.reader.connections: ", "got 0"),
    ("endless connections", shop(profiles={"reader": {"connections": -1}}), f"{SHOP}.profiles.reader.connections: ",
     "got -1"),
    # lifetimes
    ("ttl over max_ttl", lease(ttl="31m"), "access.leases.shop-migrator: ", "ttl 31m and max_ttl 30m"),
    ("zero", lease(ttl="0s"), "access.leases.shop-migrator.ttl: ", "got '0s'"),
    ("no unit", lease(ttl=15), "access.leases.shop-migrator.ttl: ", "got '15'"),
    ("unknown unit", lease(max_ttl="2w"), "access.leases.shop-migrator.max_ttl: ", "got '2w'"),
    ("negative", lease(ttl="-15m"), "access.leases.shop-migrator.ttl: ", "got '-15m'"),
    ("huge", lease(max_ttl="9" * 5000 + "s"), "access.leases.shop-migrator.max_ttl: ", "not a duration"),
    ("over the mount's maximum", at("vault", "max_lease_ttl", is_="29m"), "access.leases.shop-migrator: ",
     "max_ttl 30m and vault.max_lease_ttl 29m"),
    ("over the server's maximum", lease(max_ttl="32d"), "access.leases.shop-migrator: ", "expected at most 32d"),
    ("task that outlives its lease", pipeline(timeout="1h"), "access.pipelines.shop-release.timeout: ",
     "timeout 1h and max_ttl 30m of shop-migrator"),
    ("finally too short", pipeline(finally_timeout="30s"), "access.pipelines.shop-release.finally_timeout: ",
     "expected at least 1m"),
    ("token too short", cluster(token_expiry="5m"), "access.cluster.token_expiry: ", "expected at least 10m"),
    # names that meet
    ("one account in two pipelines", at("pipelines", is_={
        "a-b": {"namespace": "ci", "tasks": {"c": "shop-reader"}},
        "a": {"namespace": "ci", "tasks": {"b-c": "shop-migrator"}}}),
     "access.pipelines.a.tasks.b-c: ", "got ci/a-b-c, also access.pipelines.a-b.tasks.c"),
    ("owner that is a made role", shop(owner="shop_reader"), f"{SHOP}.owner: ", "got 'shop_reader'"),
    ("owner that is the broker", shop(owner="runlease_shop_broker"), f"{SHOP}.owner: ", "got 'runlease_shop_broker'"),
    ("admin that is a made role", shop(admin="runlease_shop_broker"), f"{SHOP}.admin: ", "got 'runlease_shop_broker'"),
    ("member that is a made role", shop(profiles={"reader": {"members": ["shop_reader"]}}), f"{SHOP}.members: ",
     "got 'shop_reader'"),
    ("member that is Vault's login", shop(profiles={"reader": {"members": ["runlease_shop_vault"]}}),
     f"{SHOP}.members: ", "got 'runlease_shop_vault'"),
    ("connect for a made role", shop(connect=["shop_migrator"]), f"{SHOP}.connect: ", "got 'shop_migrator'"),
    ("owner that another database makes", second_database("store", owner="shop_reader"),
     "access.databases.store.owner: ", "got 'shop_reader'"),
    ("one database twice", second_database("store", dbname="shop"), "access.databases.store.dbname: ",
     "database shop, also by access.databases.shop.dbname"),
    ("roles that meet", second_database("runlease_shop_vault"), "access.databases.runlease_shop_vault: ",
     "role runlease_shop_vault_migrator"),
    ("closing itself", shop(close=["shop"]), f"{SHOP}.close: ", "database shop, also by access.databases.shop.dbname"),
    ("closing others on a managed server", shop(server="managed", close=["legacy"]), f"{SHOP}.close: ",
     "cannot be done on a managed server"),
    # owners that can log in
    ("owner is the admin", shop(admin="dba", owner="dba"), f"{SHOP}.owner: ", "expected a NOLOGIN role"),
    ("owner is postgres", shop(admin="dba", owner="postgres"), f"{SHOP}.owner: ", "got 'postgres'"),
    ("owner is a member", shop(owner="bi_tool"), f"{SHOP}.owner: ", "got 'bi_tool'"),
    ("owner keeps CONNECT", shop(owner="app", connect=["app"]), f"{SHOP}.owner: ", "got 'app'"),
    # everyone
    ("PUBLIC as a member", shop(profiles={"reader": {"members": ["public"]}}), f"{SHOP}.profiles.reader.members.0: ",
     "got 'public'"),
    ("PUBLIC keeps CONNECT", shop(connect=["public"]), f"{SHOP}.connect.0: ", "got 'public'"),
    ("PUBLIC as owner", shop(owner="public"), f"{SHOP}.owner: ", "got 'public'"),
    ("a role of PostgreSQL's own", shop(connect=["pg_monitor"]), f"{SHOP}.connect.0: ", "got 'pg_monitor'"),
    ("the catalog as a schema", shop(schemas=["pg_catalog"]), f"{SHOP}.schemas.0: ", "got 'pg_catalog'"),
    ("the broker's schema", shop(schemas=["runlease"]), f"{SHOP}.schemas.0: ", "got 'runlease'"),
    # twice
    ("one schema twice", shop(schemas=["app", "app"]), f"{SHOP}.schemas: ", "named twice (got app"),
    ("one member twice", shop(profiles={"reader": {"members": ["a", "a"]}}), f"{SHOP}.profiles.reader.members: ",
     "named twice (got a"),
    ("one table twice", shop(profiles={"seeder": {"tables": ["app.a", "app.a"]}}), f"{SHOP}.profiles.seeder.tables: ",
     "named twice (got app.a"),
    ("one extension twice", shop(extensions=["citext", "citext"]), f"{SHOP}.extensions: ", "named twice (got citext"),
    # TLS
    ("sslmode require", shop(sslmode="require"), f"{SHOP}.sslmode: ", "'verify-full' or 'verify-pinned-ca'"),
    ("sslmode disable", shop(sslmode="disable"), f"{SHOP}.sslmode: ", "got 'disable'"),
    ("sslmode verify-ca by its old name", shop(sslmode="verify-ca"), f"{SHOP}.sslmode: ", "got 'verify-ca'"),
    ("unsafe_sslmode disable", shop(unsafe_sslmode="disable"), f"{SHOP}.unsafe_sslmode: ", "'require'"),
    ("unsafe_sslmode prefer", shop(unsafe_sslmode="prefer"), f"{SHOP}.unsafe_sslmode: ", "'require'"),
    ("sslmode by the host", shop(host="db.internal/shop?sslmode=disable&"), f"{SHOP}.host: ", "part of a URL"),
    ("sslmode by Vault's host", shop(vault_host="db/x?sslmode=disable#"), f"{SHOP}.vault_host: ", "part of a URL"),
    ("password in the host", shop(host="user:word@db"), f"{SHOP}.host: ", "part of a URL"),
    ("a socket", shop(host="/var/run/postgresql"), f"{SHOP}.host: ", "part of a URL"),
    ("vault without TLS", at("vault", "address", is_="http://vault:8200"), "access.vault.address: ", "https://"),
    ("issuer without TLS", cluster(issuer="http://oidc"), "access.cluster.issuer: ", "https://"),
    ("keys without TLS", cluster(jwks="http://oidc/keys"), "access.cluster.jwks: ", "https://"),
    ("static without keys", cluster(jwks="static"), "access.cluster: ", "0 keys"),
    ("keys without static", cluster(public_keys=["issuer.pem"]), "access.cluster: ", "1 keys"),
    ("port zero", shop(port=0), f"{SHOP}.port: ", "got 0"),
    ("port over 65535", shop(port=65536), f"{SHOP}.port: ", "got 65536"),
    # wildcards
    ("any service account", pipeline(tasks={"*": "shop-reader"}), "access.pipelines.shop-release.tasks.*: ",
     "no wildcard"),
    ("any account of a pipeline", at("pipelines", "shop-*", is_=PROD["pipelines"]["shop-check"]),
     "access.pipelines.shop-*: ", "got 'shop-*'"),
    ("any namespace", pipeline(namespace="*"), "access.pipelines.shop-release.namespace: ", "no wildcard"),
    ("namespaces by a prefix", pipeline(namespace="ci-*"), "access.pipelines.shop-release.namespace: ", "no wildcard"),
    ("namespaces by one letter", pipeline(namespace="ci?"), "access.pipelines.shop-release.namespace: ", "got 'ci?'"),
    ("any audience", cluster(audience="*"), "access.cluster.audience: ", "no wildcard"),
    ("audiences by a prefix", cluster(audience="runlease/*"), "access.cluster.audience: ", "no wildcard"),
    ("no audience", cluster(audience=""), "access.cluster.audience: ", "got ''"),
    # the API server's own audience
    ("the issuer as audience", cluster(audience="https://oidc.internal"), "access.cluster.audience: ", "own audience"),
    ("kubernetes' usual audience", cluster(audience="https://kubernetes.default.svc.cluster.local"),
     "access.cluster.audience: ", "own audience"),
    ("kubernetes' short audience", cluster(audience="https://kubernetes.default.svc"), "access.cluster.audience: ",
     "own audience"),
    ("a declared audience of the API server", cluster(audience="k8s", api_audiences=["k8s"]),
     "access.cluster.audience: ", "got 'k8s'"),
    ("the default is an audience of the API server", cluster(api_audiences=["runlease/shop-prod"]),
     "access.cluster.audience: ", "got 'runlease/shop-prod'"),
    # secrets in plain text
    ("database password", shop(password="hunter2"), f"{SHOP}.password: ", "secret in plain text"),
    ("admin password", shop(admin_password="hunter2"), f"{SHOP}.admin_password: ", "secret in plain text"),
    ("vault token", at("vault", "token", is_="hunter2"), "access.vault.token: ", "secret in plain text"),
    ("vault secret", at("vault", "secret_id", is_="hunter2"), "access.vault.secret_id: ", "secret in plain text"),
    ("private key", cluster(private_key="hunter2"), "access.cluster.private_key: ", "secret in plain text"),
    ("password of a profile", shop(profiles={"reader": {"password": "hunter2"}}), f"{SHOP}.profiles.reader.password: ",
     "secret in plain text"),
    ("password beside the sections", at("db_PASSWORD", is_="hunter2"), "access.db_PASSWORD: ", "secret in plain text"),
    # shapes
    ("vault is a list", at("vault", is_=["https://vault"]), "access.vault: ", "not a mapping (got list"),
    ("databases is a list", at("databases", is_=[PROD["databases"]["shop"]]), "access.databases: ", "got list"),
    ("leases is empty", at("leases", is_=None), "access.leases: ", "not a mapping (got NoneType"),
    ("a database is text", at("databases", "shop", is_="db.internal"), f"{SHOP}: ", "not a mapping (got str"),
    ("a profile is empty", shop(profiles={"reader": None}), f"{SHOP}.profiles.reader: ", "not a mapping (got NoneType"),
    ("profiles is a list", shop(profiles=["reader"]), f"{SHOP}.profiles: ", "got ['reader']"),
    ("schemas is text", shop(schemas="app"), f"{SHOP}.schemas: ", "got 'app'"),
    ("a number as a name", shop(dbname=5), f"{SHOP}.dbname: ", "got 5"),
    ("a number as a key", at("databases", 5, is_=PROD["databases"]["shop"]),  # type: ignore[arg-type]  # a slip in YAML
     "access.databases.5: ", "valid string (got 5)"),
    ("a nested list", shop(schemas=[["app"]]), f"{SHOP}.schemas.0: ", "got ['app']"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "where", "says"), [pytest.param(*row[1:], id=row[0]) for row in MISTAKES])
def test_a_mistake_is_named_with_its_path_and_a_fix(edit: Edit, where: str, says: str) -> None:
    found = messages(edit)
    assert any(message.startswith(where) and says in message for message in found), "\n".join(found)
    assert all(". Fix: " in message for message in found), "\n".join(found)


@pytest.mark.parametrize(
    "edit", [row[1] for row in MISTAKES if "secret in plain text" in row[3]], ids=lambda _: "secret"
)
def test_a_secret_in_plain_text_is_not_repeated(edit: Edit) -> None:
    assert "hunter2" not in "\n".join(messages(edit))


@pytest.mark.parametrize("data", [None, [], ["shop"], "shop", 5, True, object()])
def test_access_that_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(ConfigError, match=r"^access: not a mapping \(got .*Fix: "):
        load(data)


def test_a_path_begins_where_the_caller_says() -> None:
    with pytest.raises(ConfigError) as raised:
        load({**PROD, "installation": "Shop", "vault": {}}, where="stacks/Pulumi.prod.yaml")
    assert all(message.startswith("stacks/Pulumi.prod.yaml.") for message in raised.value.messages)


TEN: list[Edit] = [
    at("installation", is_="Shop Prod"),
    at("vault", "address", is_="http://vault"),
    cluster(audience="runlease/*"),
    shop(sslmode="disable"),
    shop(password="hunter2"),
    at("leases", "x", is_={"database": "nowhere", "profile": "reader", "ttl": "5m", "max_ttl": "5m"}),
    lease(ttl="1h"),
    pipeline(tasks={"migrate": "nolease"}),
    at("pipelines", "shop-check", "namespace", is_="*"),
    at("tasks", is_="maybe"),
]


def test_ten_mistakes_in_one_file_are_ten_messages_at_once() -> None:
    alone = [messages(edit) for edit in TEN]
    together = messages(*TEN)
    assert len(together) >= 10
    for found in alone:
        wheres = [message.split(": ")[0] for message in found]
        assert any(message.startswith(where) for message in together for where in wheres), wheres
    assert len(set(together)) == len(together)


def test_a_slip_in_a_database_does_not_make_its_leases_unknown() -> None:
    assert [message.split(": ")[0] for message in messages(shop(port="x"))] == [f"{SHOP}.port"]
