"""Settings → Access: declared access in the shape that planned and live access have too."""

from dataclasses import replace

from runlease.access import (
    PROFILES,
    Access,
    Binding,
    Database,
    Grant,
    Identity,
    Lease,
    ProfileName,
    Public,
    Role,
    grants_of,
)
from runlease.access.rules import Acceptance, Bounds
from runlease.config.made import Scheduled, config_map_name, scheduled_account
from runlease.config.settings import DatabaseSettings, Settings


def role_name(database: str, profile: str) -> str:
    """The group role of a profile: `shop_reader`. Names carry the database's key, so that stacks share no role."""
    return f"{database}_{profile}"


def identity_of(settings: Settings, pipeline: str, task: str) -> Identity:
    """The identity of one task of a pipeline: a service account of its own, `<pipeline>-<task>`."""
    namespace = settings.pipelines[pipeline].namespace
    source = f"access.pipelines.{pipeline}.tasks.{task}"
    return Identity(namespace, f"{pipeline}-{task}", settings.cluster.issuer, settings.audience, source=source)


def to_access(settings: Settings) -> Access:
    """What the settings declare, as one value. Pure; settings that were read by `load` are coherent already."""
    return Access(
        installation=settings.installation,
        databases=tuple(_database(key, database) for key, database in settings.databases.items()),
        roles=tuple(
            _role(key, database, profile)
            for key, database in settings.databases.items()
            for profile in database.profiles
        ),
        leases=tuple(
            Lease(
                name,
                lease.database,
                lease.profile,
                role_name(lease.database, lease.profile),
                lease.ttl,
                lease.max_ttl,
                source=f"access.leases.{name}",
            )
            for name, lease in settings.leases.items()
        ),
        bindings=tuple(
            _binding(settings, name, task, lease)
            for name, pipeline in settings.pipelines.items()
            for task, lease in pipeline.tasks.items()
        )
        + _scheduled(settings),
    )


def to_bounds(settings: Settings) -> Bounds:
    """What the rules ask of this stack."""
    rules, cluster = settings.rules, settings.cluster
    return Bounds(rules.longest_lease, rules.controllers, (cluster.issuer, *cluster.api_audiences))


def to_acceptances(settings: Settings) -> tuple[Acceptance, ...]:
    """The findings that the settings bear."""
    return settings.rules.acceptances


def scheduled_identity(settings: Settings, section: Scheduled) -> Identity | None:
    """The identity of what a section runs on a schedule; None where the settings have no such section."""
    if (scheduled := settings.scheduled.get(section)) is None:
        return None
    account = scheduled_account(settings.installation, section)
    issuer, audience = settings.cluster.issuer, settings.audience
    return Identity(scheduled.namespace, account, issuer, audience, source=f"access.{section}")


def _scheduled(settings: Settings) -> tuple[Binding, ...]:
    """No pipeline is theirs, and no task."""
    return tuple(
        Binding(identity, lease, "", "", source=identity.source)
        for section, scheduled in settings.scheduled.items()
        if (identity := scheduled_identity(settings, section)) is not None
        for lease in scheduled.leases
    )


def kubernetes_objects(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """Kind, namespace and name of what a deployment makes in a cluster and `runlease verify` looks for."""
    identities = [binding.identity for binding in to_access(settings).bindings]
    accounts = [("serviceaccounts", one.namespace, one.service_account) for one in dict.fromkeys(identities)]
    namespaces = sorted({pipeline.namespace for pipeline in settings.pipelines.values()})
    name = config_map_name(settings.installation)
    return (*accounts, *(("configmaps", namespace, name) for namespace in namespaces))


def _binding(settings: Settings, pipeline: str, task: str, lease: str) -> Binding:
    identity = identity_of(settings, pipeline, task)
    return Binding(identity, lease, pipeline, task, source=identity.source)


def _database(key: str, database: DatabaseSettings) -> Database:
    return Database(
        key,
        database.dbname,
        database.owner,
        database.schemas,
        database.server,
        database.public or Public.REVOKE,
        source=f"access.databases.{key}",
    )


def profile_grants(key: str, database: DatabaseSettings, profile: ProfileName) -> tuple[Grant, ...]:
    """The grants of one offered profile, in a fixed order."""
    return grants_of(
        profile,
        role=role_name(key, profile),
        dbname=database.dbname,
        owner=database.owner,
        schemas=database.schemas,
        tables=database.profiles[profile].tables or (),
        server=database.server,
    )


def _role(key: str, database: DatabaseSettings, profile: ProfileName) -> Role:
    runs_as = database.owner if PROFILES[profile].runs_as_owner else None
    source = f"access.databases.{key}.profiles.{profile}"
    grants = tuple(replace(grant, source=source) for grant in profile_grants(key, database, profile))
    members = database.profiles[profile].members
    return Role(role_name(key, profile), key, profile, grants, members, runs_as, source=source)
