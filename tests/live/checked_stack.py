"""A stack file, the database that it names, and `runlease check` run with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg.sql import SQL, Identifier

from lab.postgres import PostgresServer
from runlease.cli import main

Found = dict[str, str]


@dataclass
class Stack:
    """A stack file and what is checked with it; every name begins with its key."""

    key: str
    postgres: PostgresServer
    folder: Path
    settings: dict[str, Any]
    environment: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]
    code: int | None = None
    told: str = ""
    database: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.settings["databases"][self.key]
        self.password(self.postgres.password)

    def password(self, password: str) -> None:
        self.environment.setenv(f"RUNLEASE_ADMIN_PASSWORD_{self.key.upper()}", password)

    def sql(self, statement: str, dbname: str = "") -> None:
        """Run SQL as the superuser; {key} stands for the key."""
        with self.postgres.connect(dbname or self.key) as session:
            session.execute(statement.replace("{key}", self.key).encode())

    def check(self) -> list[Found]:
        path = self.folder / "Pulumi.test.yaml"
        path.write_text(yaml.safe_dump({"config": {"runlease:access": self.settings}}))
        self.code = main(["check", str(path), "--format", "json"])
        self.told, wrong = self.output.readouterr()
        assert self.code != 2, wrong
        return [found for system in json.loads(self.told)["systems"] for found in system["findings"]]

    def at(self, where: str, severity: str = "error") -> list[Found]:
        """What is found at a path below `access.`, for example `databases.<key>.owner`."""
        path = f"access.{where.replace('<key>', self.key)}"
        return [found for found in self.check() if (found["where"], found["severity"]) == (path, severity)]

    def mends(self, where: str, severity: str = "error", dbname: str = "") -> Found:
        """The one finding at a path; afterwards its own fix was run, and it is gone."""
        (found,) = self.at(where, severity)
        fix = re.match(r"[A-Z].*;", found["fix"])
        assert fix, found
        self.sql(fix[0], dbname)
        assert self.at(where, severity) == []
        return found


def named(key: str) -> dict[str, Any]:
    """The settings of a database that exists with its owner and schema."""
    return {
        "installation": key,
        "vault": {},
        "cluster": {},
        "tasks": "existing",
        "databases": {
            key: {
                "server": "self_managed",
                "dbname": key,
                "public": "keep",
                "owner": f"{key}_owner",
                "schemas": ["app"],
                "profiles": {"reader": {}, "migrator": {}},
            }
        },
        "leases": {"reader": {"database": key, "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
        "pipelines": {"release": {"namespace": "ci", "tasks": {"read": "reader"}}},
    }


def managed(stack: Stack) -> None:
    """Make it a managed server's database: its admin is no superuser and has all that it needs."""
    admin = f"{stack.key}_cloud"
    stack.sql(
        "CREATE ROLE {key}_cloud LOGIN CREATEROLE PASSWORD 'cloud-password';"
        "ALTER DATABASE {key} OWNER TO {key}_cloud; GRANT {key}_owner TO {key}_cloud WITH ADMIN OPTION"
    )
    stack.database |= {"server": "managed", "admin": admin}
    stack.password("cloud-password")


def clean(postgres: PostgresServer, key: str) -> None:
    """Drop every database and role of this key."""
    with postgres.connect() as session:
        names = session.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [key]).fetchall()
        for (name,) in names:
            session.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        roles = session.execute(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) OR rolname LIKE %s", [key, f"runlease_{key}_%"]
        ).fetchall()
        for (name,) in roles:
            session.execute(SQL("DROP OWNED BY {}").format(Identifier(name)))
            session.execute(SQL("DROP ROLE {}").format(Identifier(name)))
