"""Small Access values that break or keep the rules on Vault, Kubernetes and Tasks: (rule, case, access, where)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runlease.access import (
    EVERY,
    Access,
    Account,
    Binding,
    Connection,
    Duration,
    Identity,
    Lease,
    PathRule,
    Permission,
    Policy,
    TaskText,
    Trust,
    Unread,
)

SUBJECT = "system:serviceaccount:ci:migrate"
POD = ("/kubernetes.io/pod/uid", ("*-*-*-*-*",))
GOOD = Connection(
    "db",
    "shop",
    "shop",
    "vault",
    "pg:5432",
    ("load",),
    "verify-full",
    '{{ printf "run_%s" (random 20) }}',
    "scram-sha-256",
    Duration(3600),
)
TRUST = Trust(
    "jwt",
    "run",
    bound_subject=SUBJECT,
    audiences=("runlease/shop-prod",),
    bound_claims=(POD,),
    claims_type="glob",
    issuer="https://oidc",
    policies=("shop-prod.load",),
    no_default_policy=True,
    expiration_leeway=-1,
    not_before_leeway=-1,
    clock_skew_leeway=-1,
    token_max_ttl=Duration(1920),
)
LEASE = Lease("load", "shop", None, "app", Duration(300), Duration(1800), "db", "shop")
BINDING = Binding(Identity("ci", "migrate", "https://oidc", "runlease/shop-prod"), "load", "", "")
CREDS = PathRule("db/creds/load", ("read",))
OWN = ("lease_id", ("db/creds/load/*",))


def connection(*others: Connection, **edits: object) -> Access:
    return Access("x", connections=(replace(GOOD, **edits), *others))  # type: ignore[arg-type]  # fields by name


def policy(*rules: PathRule) -> Access:
    return Access("x", policies=(Policy("p", (CREDS, *rules)),))


def path(path: str, *capabilities: str, **allowed: tuple[str, ...]) -> Access:
    return policy(PathRule(path, capabilities or ("update",), tuple(allowed.items())))


def trust(**edits: object) -> Access:
    return Access("x", trusts=(replace(TRUST, **edits),))  # type: ignore[arg-type]  # fields by name


def chain(max_ttl: int = 1800, mount: int | None = 3600, **edits: object) -> Access:
    maximum = Duration(mount) if mount else None
    access = replace(trust(**edits), leases=(replace(LEASE, max_ttl=Duration(max_ttl)),), bindings=(BINDING,))
    return replace(access, connections=(replace(GOOD, mount_maximum=maximum),))


def account(namespace: str = "ci", automount: bool = True) -> Access:
    return Access("x", accounts=(Account(namespace, "migrate", automount),), bindings=(BINDING,))


def may(verb: str, resource: str, namespace: str = "ci", subject: str = "jane") -> Access:
    return Access("x", trusts=(TRUST,), permissions=(Permission(subject, namespace, (verb,), (resource,)),))


def task(**texts: Any) -> Access:
    return Access("x", tasks=(TaskText("ci", "migrate", **texts),))


def value(place: str, text: str) -> Access:
    return task(values=((place, text),))


def script(text: str) -> Access:
    return task(scripts=(("steps.load", text),))


def image(text: str, default: str | None = None) -> Access:
    return task(images=(("steps.load", text),), values=(("params.image", default),) if default is not None else ())


VAULT_TOKEN = "hvs." + "A" * 24
AT = "JWT role jwt/run"
PLACE = "steps.load.env.PGPASSWORD"

BROKEN: list[tuple[str, str, Access, str]] = [
    ("RL014", "all", connection(allowed_roles=("*",)), "connection db/shop"),
    ("RL014", "all of a name", connection(allowed_roles=("load", "shop-*")), "connection db/shop"),
    ("RL015", "the default", connection(username_template=""), "connection db/shop"),
    (
        "RL015",
        "the display name",
        connection(username_template="v-{{.DisplayName}}-{{random 9}}"),
        "connection db/shop",
    ),
    ("RL016", "the default", connection(password_authentication=""), "connection db/shop"),
    ("RL016", "a password", connection(password_authentication="password"), "connection db/shop"),
    ("RL019", "nothing", connection(sslmode=""), "connection db/shop"),
    ("RL019", "require", connection(sslmode="require"), "connection db/shop"),
    ("RL019", "a pinned CA", connection(sslmode="verify-ca"), "connection db/shop"),
    ("RL020", "two of a mount", connection(replace(GOOD, name="b")), "connection db/b"),
    ("RL020", "two of two mounts and databases", connection(replace(GOOD, mount="c", dbname="d")), "connection c/shop"),
    ("RL021", "a star", path("db/creds/*", "read"), "path db/creds/* of policy p"),
    ("RL021", "a plus", path("db/+/load", "read"), "path db/+/load of policy p"),
    ("RL021", "the beginning of a name", path("db/creds/lo*", "read"), "path db/creds/lo* of policy p"),
    ("RL021", "revocation of all", path("sys/leases/revoke/*"), "path sys/leases/revoke/* of policy p"),
    (
        "RL021",
        "revocation of another's",
        path("sys/leases/revoke/db/creds/other/*"),
        "path sys/leases/revoke/db/creds/other/* of policy p",
    ),
    ("RL022", "any lease", path("sys/leases/revoke"), "path sys/leases/revoke of policy p"),
    ("RL022", "any value", path("sys/leases/renew", lease_id=()), "path sys/leases/renew of policy p"),
    ("RL022", "any by a pattern", path("sys/leases/revoke", lease_id=("*",)), "path sys/leases/revoke of policy p"),
    (
        "RL022",
        "another's",
        path("sys/leases/revoke", lease_id=("db/creds/load/*", "db/creds/other/*")),
        "path sys/leases/revoke of policy p",
    ),
    (
        "RL022",
        "any parameter",
        policy(PathRule("sys/leases/revoke", ("update",), (OWN, ("*", ())))),
        "path sys/leases/revoke of policy p",
    ),
    (
        "RL022",
        "by prefix",
        path("sys/leases/revoke-prefix/db/creds/load", "update", "sudo"),
        "path sys/leases/revoke-prefix/db/creds/load of policy p",
    ),
    *(
        (
            "RL022",
            f"below {read}",
            policy(read, PathRule("sys/leases/revoke", ("update",), (("lease_id", (f"{read.path}/*",)),))),
            "path sys/leases/revoke of policy p",
        )
        for read in (
            PathRule("db/creds/lo*", ("read",)),
            PathRule("db/creds/other", ("list",)),
            PathRule("secret/data/x", ("read",)),
            PathRule("db/creds", ("read",)),
        )
    ),
    ("RL022", "the old endpoint", path("sys/renew"), "path sys/renew of policy p"),
    ("RL023", "by default", trust(no_default_policy=False), AT),
    ("RL023", "by name", trust(policies=("shop-prod.load", "default")), AT),
    ("RL024", "none", trust(audiences=()), AT),
    ("RL024", "two", trust(audiences=("a", "b")), AT),
    ("RL024", "a pattern", trust(audiences=("runlease/*",)), AT),
    ("RL025", "the issuer", trust(audiences=("https://oidc",)), AT),
    ("RL025", "the usual name", trust(audiences=("https://kubernetes.default.svc",)), AT),
    ("RL025", "one of two", trust(audiences=("runlease/shop-prod", "kubernetes")), AT),
    ("RL026", "any subject", trust(bound_subject=""), AT),
    ("RL026", "a pattern", trust(bound_subject="system:serviceaccount:ci:*"), AT),
    ("RL026", "a user", trust(bound_subject="jane"), AT),
    ("RL026", "a pattern in a claim", trust(bound_claims=(POD, ("/kubernetes.io/namespace", ("ci", "ci-*")))), AT),
    ("RL027", "no claim", trust(bound_claims=()), AT),
    ("RL027", "the pod's name", trust(bound_claims=(("/kubernetes.io/pod/name", ("a",)),)), AT),
    ("RL027", "no value", trust(bound_claims=((POD[0], ()),)), AT),
    ("RL028", "the default", trust(expiration_leeway=0), AT),
    ("RL028", "a minute", trust(not_before_leeway=60), AT),
    ("RL028", "the skew", trust(clock_skew_leeway=0), AT),
    ("RL030", "a bound account", account(), "service account ci/migrate"),
    (
        "RL030",
        "a trusted account",
        replace(trust(), accounts=(Account("ci", "migrate"),)),
        "service account ci/migrate",
    ),
    ("RL031", "a token", may("create", "serviceaccounts/token"), "jane in namespace ci"),
    ("RL031", "a pod", may("create", "pods"), "jane in namespace ci"),
    ("RL031", "exec", may("create", "pods/exec"), "jane in namespace ci"),
    ("RL031", "exec by a websocket", may("get", "pods/exec"), "jane in namespace ci"),
    ("RL031", "an ephemeral container", may("patch", "pods/ephemeralcontainers"), "jane in namespace ci"),
    ("RL031", "a workload", may("create", "cronjobs"), "jane in namespace ci"),
    ("RL031", "impersonation", may("impersonate", "serviceaccounts"), "jane in namespace ci"),
    ("RL031", "everything", may("*", "*"), "jane in namespace ci"),
    ("RL031", "every subresource of a name", may("create", "*/exec"), "jane in namespace ci"),
    ("RL031", "everywhere", may("create", "pods", EVERY), "jane in every namespace"),
    (
        "RL031",
        "a controller of that name in another namespace",
        may("create", "pods", subject="system:serviceaccount:ci:tekton-pipelines-controller"),
        "system:serviceaccount:ci:tekton-pipelines-controller in namespace ci",
    ),
    ("RL032", "a Secret", task(secrets=((PLACE, "shop"),)), f"{PLACE} of Task ci/migrate"),
    ("RL032", "a value of that name", value(PLACE, "hunter2"), f"{PLACE} of Task ci/migrate"),
    ("RL032", "a token", value("params.x", VAULT_TOKEN), "params.x of Task ci/migrate"),
    ("RL032", "a URL", value("params.url", "postgresql://app:hunter2@db/shop"), "params.url of Task ci/migrate"),
    ("RL032", "a script's variable", script("PGPASSWORD=hunter2 psql"), "steps.load.script of Task ci/migrate"),
    (
        "RL032",
        "a script's quoted variable",
        script("export PGPASSWORD='hunter2'"),
        "steps.load.script of Task ci/migrate",
    ),
    ("RL032", "a key", script("-----BEGIN EC PRIVATE KEY-----"), "steps.load.script of Task ci/migrate"),
    (
        "RL032",
        "a signed token",
        script("t=eyJhbGciOiJSUzI1.eyJpc3MiOiJodHRwczo.x"),
        "steps.load.script of Task ci/migrate",
    ),
    ("RL033", "no tag", image("docker.io/library/postgres"), "steps.load of Task ci/migrate"),
    ("RL033", "a port and no tag", image("registry.internal:5000/postgres"), "steps.load of Task ci/migrate"),
    ("RL033", "latest", image("postgres:latest"), "steps.load of Task ci/migrate"),
    ("RL033", "a default without a tag", image("$(params.image)", "postgres"), "steps.load of Task ci/migrate"),
    ("RL034", "a parameter", script('psql -c "$(params.query)"'), "steps.load.script of Task ci/migrate"),
    ("RL034", "a parameter in brackets", script("$(params['query'])"), "steps.load.script of Task ci/migrate"),
    ("RL034", "the old spelling", script("$(inputs.params.query)"), "steps.load.script of Task ci/migrate"),
    ("RL035", "the mount ends it", chain(mount=1799), "lease load"),
    ("RL035", "the server ends it", chain(32 * 86_400, None), "lease load"),
    ("RL035", "the token ends it", chain(token_max_ttl=Duration(1919)), AT),
    ("RL035", "the token outlives it", chain(token_max_ttl=Duration(1921)), AT),
    ("RL035", "the token has no end", chain(token_max_ttl=None), AT),
    ("RL037", "a resource", Access("x", unread=(Unread("urn:pulumi:x", "unknown"),)), "urn:pulumi:x"),
]

KEPT: list[tuple[str, str, Access]] = [
    *((rule, "a connection as ours", connection()) for rule in ("RL014", "RL015", "RL016", "RL019", "RL020")),
    ("RL020", "one name on two servers", connection(replace(GOOD, name="b", host="other:5432"))),
    ("RL020", "two logins", connection(replace(GOOD, name="b", username="vault_migrator"))),
    ("RL021", "paths by name", path("sys/leases/revoke", lease_id=("db/creds/load/*",))),
    ("RL021", "below its own path", path("sys/leases/revoke/db/creds/load/*")),
    ("RL021", "a denial", path("db/*", "deny")),
    ("RL022", "its own", path("sys/leases/revoke", lease_id=("db/creds/load/*",))),
    ("RL022", "reading", path("sys/leases/revoke", "read")),
    ("RL022", "its token", path("auth/token/revoke-self")),
    *((f"RL0{number}", "a JWT role as ours", trust()) for number in range(23, 29)),
    ("RL026", "a star that is compared", trust(claims_type="string", bound_claims=(("/x", ("a*",)),))),
    ("RL030", "turned off", account(automount=False)),
    ("RL030", "an account of no run", account("shop")),
    ("RL031", "reading", may("get", "pods")),
    ("RL031", "another namespace", may("create", "pods", "shop")),
    ("RL031", "runs", may("create", "pipelineruns")),
    ("RL031", "a subresource that gives nothing", may("*", "*/log")),
    (
        "RL031",
        "Tekton",
        may("create", "pods", EVERY, "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"),
    ),
    ("RL031", "no namespace of runs", replace(may("*", "*", EVERY), trusts=())),
    ("RL032", "no value", value(PLACE, "")),
    ("RL032", "a reference", value("params.token", "$(params.other)")),
    ("RL032", "a path", value("params.token", "/runlease/token")),
    ("RL032", "a duration", value("params.token-expiry", "600")),
    ("RL032", "a URL without a password", value("params.url", "postgresql://app@db/shop")),
    ("RL032", "a URL with a variable", script('psql "postgresql://app:$PASSWORD@db/shop"')),
    ("RL032", "a variable", script('PGPASSWORD="$(cat /runlease/lease/pgpass)" psql')),
    ("RL033", "a tag", image("registry.internal:5000/postgres:17.6")),
    ("RL033", "a digest", image("postgres@sha256:abc")),
    ("RL033", "a default with a tag", image("$(params.image)", "postgres:17.6")),
    ("RL033", "what a run says", image("$(params.image)")),
    ("RL034", "the shell's own", script("echo $(date) ${params}")),
    ("RL035", "a chain as ours", chain()),
    ("RL035", "a lease that was not read", replace(trust(token_max_ttl=None), bindings=(BINDING,))),
    ("RL035", "an explicit maximum", chain(token_max_ttl=Duration(9999), token_explicit_max_ttl=Duration(1920))),
    ("RL037", "everything read", Access("x")),
    ("RL037", "what only narrows", Access("x", unread=(Unread("row security", "policies", narrows=True),))),
]
