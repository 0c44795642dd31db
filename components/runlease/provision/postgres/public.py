"""What PUBLIC, that is every role of the server, loses, and the SQL that gives it back."""

from runlease.access import Public, Server
from runlease.access.sql import identifier
from runlease.provision.postgres.deployer import Broker
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.site import Site

LARGE_OBJECTS = ("lo_creat", "lo_create", "lo_from_bytea")
"""Functions that make large objects. One that a login owns in another database keeps the login from being dropped."""


def revoke_public(site: Site, broker: Broker, chain: GrantChain) -> None:
    """Logins that keep CONNECT get it first, whatever PUBLIC keeps; then, for `revoke`, PUBLIC loses what it has.

    CONNECT does not hang on `revoke`: PUBLIC gets nothing back when `keep` is said later, so nobody may lose theirs.
    A managed server's admin is no superuser: its REVOKE on a system function warns and changes nothing, so
    it is left out.
    """
    settings = site.settings
    for role in settings.connect:
        chain.keep_connect(f"connect-{role}", role, broker.role)
    if settings.public is Public.KEEP:
        return
    chain.revoke_public("public-database", "database")
    chain.revoke_public("public-schema", "schema", "public")
    chain.future("public-functions", "public", [], "function", settings.owner)
    if settings.server is Server.SELF_MANAGED:
        for function in LARGE_OBJECTS:
            chain.revoke_public(f"public-{function}", "function", "pg_catalog", [function])
        for other in settings.close:
            chain.revoke_public(f"public-close-{other}", "database", dbname=other)


def give_public_back(site: Site) -> str:
    """SQL for after a destroy, which leaves PUBLIC as it is."""
    settings = site.settings
    if settings.public is Public.KEEP:
        return "-- nothing was taken from PUBLIC"
    superuser = settings.server is Server.SELF_MANAGED
    owner = identifier(settings.owner)
    return "\n".join(
        [
            *(
                f"GRANT CONNECT, TEMPORARY ON DATABASE {identifier(name)} TO PUBLIC;"
                for name in (settings.dbname, *(settings.close if superuser else ()))
            ),
            "GRANT USAGE ON SCHEMA public TO PUBLIC;",
            # Only a member of the owner changes its default privileges, and a managed server's admin may be none.
            *([] if superuser else [f"GRANT {owner} TO CURRENT_USER; -- to be revoked again where you were no member"]),
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT EXECUTE ON FUNCTIONS TO PUBLIC;",
            *(f"GRANT EXECUTE ON FUNCTION pg_catalog.{name} TO PUBLIC;" for name in LARGE_OBJECTS if superuser),
        ]
    )
