"""`runlease check` names who loses CONNECT once PUBLIC does."""

from __future__ import annotations

import re

from tests.live.checked_stack import Stack


def test_logins_that_only_public_lets_in_are_named_until_they_are_kept(stack: Stack) -> None:
    stack.sql(
        "CREATE ROLE {key}_team; CREATE ROLE {key}_a LOGIN; CREATE ROLE {key}_b LOGIN;"
        "CREATE ROLE {key}_c LOGIN IN ROLE {key}_team; CREATE ROLE {key}_d LOGIN; CREATE ROLE {key}_e NOLOGIN;"
        "CREATE ROLE {key}_f LOGIN NOINHERIT IN ROLE {key}_team; CREATE ROLE {key}_g LOGIN SUPERUSER;"
        "GRANT CONNECT ON DATABASE {key} TO {key}_team, {key}_d"
    )

    def lost() -> set[str]:
        found = stack.at("databases.<key>.public", "warning")
        kept = re.search(r"connect: \[(.*)\]", found[0]["fix"]) if found else None
        return {name for name in kept[1].split(", ") if name.startswith(stack.key)} if kept else set()

    stack.database["public"] = "revoke"
    assert lost() == {f"{stack.key}_{one}" for one in "abf"}
    stack.database |= {"connect": [f"{stack.key}_a"], "profiles": {"reader": {"members": [f"{stack.key}_b"]}}}
    assert lost() == {f"{stack.key}_f"}
    stack.sql("REVOKE CONNECT ON DATABASE {key} FROM PUBLIC")
    assert lost() == set()
    assert stack.code == 0


def test_logins_that_lose_a_closed_database_are_mended_by_the_fix(stack: Stack) -> None:
    stack.sql("CREATE DATABASE {key}_closed", "postgres")
    stack.sql(
        "CREATE ROLE {key}_a LOGIN; CREATE ROLE {key}_root LOGIN SUPERUSER;"
        "REVOKE CONNECT ON DATABASE {key}_closed FROM postgres"
    )
    stack.database |= {"public": "revoke", "close": [f"{stack.key}_closed"]}
    problem = stack.mends("databases.<key>.close", "warning")["problem"]
    assert f"{stack.key}_a" in problem
    assert f"{stack.key}_root" not in problem  # nothing keeps a superuser out


def test_a_connect_role_that_would_lose_more_is_named(stack: Stack) -> None:
    stack.sql("CREATE ROLE {key}_app LOGIN; GRANT CREATE, TEMPORARY ON DATABASE {key} TO {key}_app")
    stack.database |= {"public": "revoke", "connect": [f"{stack.key}_app"]}
    (found,) = stack.at("databases.<key>.connect", "warning")
    assert f"got {stack.key}_app with CREATE, TEMPORARY" in found["problem"]
    stack.sql(found["fix"].split(";")[0])
    stack.database["connect"] = []
    assert not any(f"{stack.key}_app" in found["problem"] for found in stack.check())
