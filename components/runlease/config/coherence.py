"""What only shows when sections are read together: unknown references, names that meet, lifetimes that do not fit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runlease.access import API_AUDIENCES, PROFILES, Duration, ProfileName, Server, incoherent_lifetimes
from runlease.access.lifetimes import TOKEN_EXPIRY, LeaseLifetime, RunLifetime
from runlease.config.made import roles_made
from runlease.config.names import DNS_SUBDOMAIN
from runlease.config.scheduled import ScheduledSettings
from runlease.config.settings import (
    ClusterSettings,
    DatabaseSettings,
    LeaseSettings,
    PipelineSettings,
    VaultSettings,
)


def incoherent(read: Mapping[str, Any], declared: Mapping[str, set[str]], where: str) -> Iterator[str]:
    """One message for each incoherence among the sections that could be read.

    `declared` has every name that stands in the settings, so that what could not be read is not called unknown too.
    """
    databases: dict[str, DatabaseSettings] = read["databases"]
    leases: dict[str, LeaseSettings] = read["leases"]
    pipelines: dict[str, PipelineSettings] = read["pipelines"]
    for key, database in databases.items():
        yield from _database(f"{where}.databases.{key}", database, _made_beside(database, databases))
    yield from _servers(f"{where}.databases", databases)
    for name, lease in leases.items():
        yield from _lease(f"{where}.leases.{name}", lease, databases, declared["databases"])
    yield from _pipelines(f"{where}.pipelines", pipelines, declared["leases"])
    yield from _swept(f"{where}.pipelines", pipelines, leases)
    for section in (ProfileName.SWEEPER, ProfileName.AUDITOR):
        yield from _scheduled(where, section, read.get(section), leases, declared["leases"], pipelines)
    yield from _audience(f"{where}.cluster", read.get("cluster"), str(read.get("installation")))
    yield from _admission(f"{where}.cluster.admission", read.get("cluster"), pipelines, read.get("tasks") == "existing")
    yield from _lifetimes(where, read.get("vault"), read.get("cluster"), leases, pipelines)


def _database(where: str, database: DatabaseSettings, made: set[str]) -> Iterator[str]:
    if database.adopted and database.public is None:
        yield (
            f"{where}.public: what PUBLIC keeps must be said for a database that exists (got nothing, expected keep or "
            "revoke). Fix: set public: keep to change nothing, or revoke after `runlease check`"
        )
    if database.close and database.server is Server.MANAGED:
        yield (
            f"{where}.close: cannot be done on a managed server, where nobody may change the other databases (got "
            f"{', '.join(database.close)}). Fix: remove close, and keep leased logins out by the server's settings"
        )
    for profile_name, profile in database.profiles.items():
        if profile.tables is not None and not PROFILES[profile_name].may_name_tables:
            path = f"{where}.profiles.{profile_name}.tables"
            yield f"{path}: only a seeder can be narrowed to tables (got {profile_name}). Fix: remove tables"
        for table in profile.tables or ():
            if (schema := table.split(".")[0]) not in database.schemas:
                yield (
                    f"{where}.profiles.{profile_name}.tables: unknown schema (got {table!r}, expected one of "
                    f"{', '.join(database.schemas)}). Fix: add {schema} to schemas or correct the table"
                )
    members = {member for profile in database.profiles.values() for member in profile.members}
    taken = {
        "owner": {database.owner},
        "admin": {database.admin},
        "connect": set(database.connect),
        "members": members,
    }
    for setting, names in taken.items():
        for name in sorted(names & made):
            yield f"{where}.{setting}: the name of a role that runlease makes (got {name!r}). Fix: use another role"
    if database.owner in {database.admin, "postgres"} | members | set(database.connect):
        yield (
            f"{where}.owner: a login as owner (got {database.owner!r}, expected a NOLOGIN role of its own)."
            " Fix: CREATE ROLE <database>_owner NOLOGIN and give it the schemas"
        )


def _made_beside(database: DatabaseSettings, databases: Mapping[str, DatabaseSettings]) -> set[str]:
    """Every role that runlease makes on this database's server."""
    server = (database.host, database.port)
    beside = [(key, one) for key, one in databases.items() if (one.host, one.port) == server]
    return {role for key, one in beside for role in roles_made(key, one.profiles)}


def _servers(where: str, databases: Mapping[str, DatabaseSettings]) -> Iterator[str]:
    """What two settings would manage twice on one server, each undoing the other."""
    claimed: dict[tuple[str, int, str], str] = {}
    for key, database in databases.items():
        claims = [(f"{where}.{key}.dbname", f"database {database.dbname}")]
        claims += [(f"{where}.{key}.close", f"database {name}") for name in database.close]
        claims += [(f"{where}.{key}", f"role {name}") for name in sorted(roles_made(key, database.profiles))]
        for path, claim in claims:
            if (other := claimed.setdefault((database.host, database.port, claim), path)) != path:
                yield f"{path}: managed twice (got {claim}, also by {other}). Fix: keep one of the two, or rename it"


def _lease(
    where: str, lease: LeaseSettings, databases: Mapping[str, DatabaseSettings], declared: set[str]
) -> Iterator[str]:
    database = databases.get(lease.database)
    if lease.database not in declared:
        known = _known(declared)
        yield f"{where}.database: unknown database (got {lease.database!r}{known}). Fix: declare it in databases"
    elif database is not None and lease.profile not in database.profiles:
        yield (
            f"{where}.profile: not offered by {lease.database} (got {str(lease.profile)!r}{_known(database.profiles)})."
            f" Fix: add it to databases.{lease.database}.profiles"
        )


def _pipelines(where: str, pipelines: Mapping[str, PipelineSettings], leases: set[str]) -> Iterator[str]:
    accounts: dict[tuple[str, str], str] = {}
    for name, pipeline in pipelines.items():
        for task, lease in pipeline.tasks.items():
            path, account = f"{where}.{name}.tasks.{task}", f"{name}-{task}"
            if lease not in leases:
                yield f"{path}: unknown lease (got {lease!r}{_known(leases)}). Fix: declare it in leases"
            if len(account) > DNS_SUBDOMAIN:
                limit = f"expected at most {DNS_SUBDOMAIN} bytes"
                yield f"{path}: service account too long (got {account}, {limit}). Fix: shorten the pipeline's name"
            if (other := accounts.setdefault((pipeline.namespace, account), path)) != path:
                yield (
                    f"{path}: one service account in two pipelines (got {pipeline.namespace}/{account}, also {other}). "
                    "Fix: rename the pipeline or the task"
                )


def _swept(where: str, pipelines: Mapping[str, PipelineSettings], leases: Mapping[str, LeaseSettings]) -> Iterator[str]:
    for name, pipeline in pipelines.items():
        for task, lease in pipeline.tasks.items():
            if lease in leases and PROFILES[leases[lease].profile].calls:
                yield (
                    f"{where}.{name}.tasks.{task}: a task that could end every run (got {lease}, a lease of the "
                    f"profile {leases[lease].profile}). Fix: name the lease in access.sweeper alone"
                )


def _scheduled(
    access: str,
    section: ProfileName,
    scheduled: ScheduledSettings | None,
    leases: Mapping[str, LeaseSettings],
    declared: set[str],
    pipelines: Mapping[str, PipelineSettings],
) -> Iterator[str]:
    if scheduled is None:
        return
    where = f"{access}.{section}"
    seen: dict[str, str] = {}
    for lease in scheduled.leases:
        if lease not in declared:
            yield f"{where}.leases: unknown lease (got {lease!r}{_known(declared)}). Fix: declare it in leases"
        elif lease in leases and leases[lease].profile is not section:
            yield (
                f"{where}.leases: a lease of another profile (got {lease} of the profile {leases[lease].profile}, "
                f"expected {section}). Fix: declare one with profile: {section}"
            )
        elif lease in leases and (other := seen.setdefault(leases[lease].database, lease)) != lease:
            yield f"{where}.leases: two on one database (got {other} and {lease}). Fix: keep one"
    if scheduled.namespace in {pipeline.namespace for pipeline in pipelines.values()}:
        yield (
            f"{where}.namespace: runs have it too, and whoever makes pods there can be the {section} (got "
            f"{scheduled.namespace}, expected one of its own). Fix: take another namespace"
        )


def _audience(where: str, cluster: ClusterSettings | None, installation: str) -> Iterator[str]:
    if cluster is None:
        return
    audience = cluster.audience or f"runlease/{installation}"
    if audience in (cluster.issuer, *cluster.api_audiences, *API_AUDIENCES):
        yield (
            f"{where}.audience: the API server's own audience (got {audience!r}, expected one that only Vault "
            "accepts). Fix: remove it; the default is private to the installation"
        )


def _admission(
    where: str, cluster: ClusterSettings | None, pipelines: Mapping[str, PipelineSettings], existing: bool
) -> Iterator[str]:
    admission = cluster.admission if cluster else None
    if admission is None:
        return
    if existing and not admission.tasks:
        yield (
            f"{where}.tasks: no Task is approved, so no run could be made (got tasks: existing and none here, expected "
            "the Tasks that exist). Fix: name each, with what a run may set"
        )
    trusted = [("deployers", name) for name in (*admission.deployers.users, *admission.deployers.groups)]
    trusted += [("controller", admission.controller), ("resolvers", admission.resolvers)]
    for setting, name in trusted:
        if _namespace_of(name) in {pipeline.namespace for pipeline in pipelines.values()}:
            yield (
                f"{where}.{setting}: a service account beside the leased ones, which whoever works there can take (got "
                f"{name}, expected one of a namespace without leases). Fix: take another namespace"
            )


def _namespace_of(name: str) -> str:
    """Of a service account, or of the group of all service accounts of a namespace; empty for anybody else."""
    match name.split(":"):
        case ["system", "serviceaccount" | "serviceaccounts", namespace, *_]:
            return namespace
    return ""


def _lifetimes(
    where: str,
    vault: VaultSettings | None,
    cluster: ClusterSettings | None,
    leases: Mapping[str, LeaseSettings],
    pipelines: Mapping[str, PipelineSettings],
) -> list[str]:
    longest = max((lease.max_ttl for lease in leases.values()), default=Duration(0))
    maximum = (vault.max_lease_ttl if vault else None) or longest
    return incoherent_lifetimes(
        [LeaseLifetime(f"{where}.leases.{name}", one.ttl, one.max_ttl, maximum) for name, one in leases.items()],
        [
            RunLifetime(
                f"{where}.pipelines.{name}",
                pipeline.timeout,
                pipeline.finally_timeout,
                tuple((lease, leases[lease].max_ttl) for lease in pipeline.tasks.values() if lease in leases),
            )
            for name, pipeline in pipelines.items()
        ],
        cluster.token_expiry if cluster else TOKEN_EXPIRY,
        f"{where}.cluster",
    )


def _known(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f", expected one of {known}" if known else ", but none is declared"
