"""The deployments of a session of tests, side by side on the same servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psycopg.sql import SQL, Identifier

from lab.issuer import TokenIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from tests.live.deployment import CLOUD_ADMIN, MIGRATION, Deployment, deploy, make_cloud_admin

FOREIGN = """
CREATE SCHEMA hidden; CREATE TABLE hidden.secrets AS SELECT 1 AS one;
CREATE TABLE public.notes AS SELECT 1 AS one;
"""
"""What stands in the same database and is declared to nobody."""

ADOPTED = """
CREATE SCHEMA app;
CREATE TABLE app.orders (id serial, label text); INSERT INTO app.orders (label) VALUES ('first');
CREATE TABLE app.customers (id serial, label text); INSERT INTO app.customers (label) VALUES ('first');
"""
"""What stood in a database before runlease came."""


SHELF: dict[str, object] = {
    "create": [],
    "public": "revoke",
    "profiles": {"reader": {}, "migrator": {}, "seeder": {"tables": ["app.orders"]}},
}
"""What the settings of that database say besides."""


class Sites:
    """The deployments of a session: made when first asked for, they stand side by side to its end."""

    def __init__(
        self, server: Callable[[int], PostgresServer], openbao: OpenBao, issuer: TokenIssuer, folder: Path
    ) -> None:
        self._server, self._openbao, self._issuer, self._folder = server, openbao, issuer, folder
        self._made: dict[tuple[str, int], Deployment] = {}

    def site(self, major: int, managed: bool) -> Deployment:
        """A database that runlease created, with every profile, and what one migration has put into it since."""
        key = "mshop" if managed else "shop"
        if (key, major) not in self._made:
            made = self._made[key, major] = self._deploy(key, major, managed)
            made.migrate(*MIGRATION)
            with made.as_superuser() as session:
                session.execute(FOREIGN)
        return self._made[key, major]

    def audited(self, major: int) -> Deployment:
        """As the self-managed site, for what looks at all that is there."""
        key = "audited"
        if (key, major) not in self._made:
            made = self._made[key, major] = self._deploy(key, major, managed=False)
            made.migrate(*MIGRATION)
        return self._made[key, major]

    def shelf(self, major: int, managed: bool) -> Deployment:
        """A database that existed with its tables, where the seeder is narrowed to one; `later` came afterwards."""
        key = "mshelf" if managed else "shelf"
        if (key, major) not in self._made:
            _make_adopted(key, self._server(major), managed)
            made = self._made[key, major] = self._deploy(key, major, managed, **SHELF)
            made.migrate("CREATE TABLE later (id int)")
        return self._made[key, major]

    def beside(self, site: Deployment) -> Deployment:
        """The other kind of site on the same server."""
        return self.site(site.major, not site.managed)

    def _deploy(self, key: str, major: int, managed: bool, **database: object) -> Deployment:
        server = self._server(major)
        made = Deployment(key, f"pg{major}-{key}", major, managed, server, self._openbao, self._issuer)
        return deploy(made, self._folder, **database)


def _make_adopted(key: str, server: PostgresServer, managed: bool) -> None:
    make_cloud_admin(server)
    owner, database, admin = Identifier(f"{key}_owner"), Identifier(key), Identifier(CLOUD_ADMIN)
    with server.connect() as session:
        session.execute(SQL("CREATE ROLE {} NOLOGIN").format(owner))
        session.execute(SQL("CREATE DATABASE {}").format(database))
        if managed:
            session.execute(SQL("GRANT {} TO {} WITH ADMIN OPTION").format(owner, admin))
            session.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(database, admin))
    with server.connect(key) as session:
        session.execute(SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, owner))
        session.execute(SQL("SET SESSION AUTHORIZATION {}").format(owner))
        session.execute(ADOPTED)
        session.execute("RESET SESSION AUTHORIZATION")
        session.execute(SQL("REVOKE CREATE ON DATABASE {} FROM {}").format(database, owner))
