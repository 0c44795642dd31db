"""Which versions are supported, and below which one a hole is known. Pure; a release may move a number here."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runlease.readiness.findings import Finding, error, warning

POSTGRES_FLOORS = {15: 18, 16: 14, 17: 10, 18: 4}
"""Supported major version → first minor release without a hole known to us.

14 May 2026: eleven CVEs, among them CVE-2026-6473 and CVE-2026-6637, which a login without rights can use.
https://www.postgresql.org/about/news/postgresql-184-1710-1614-1518-and-1423-released-3297/
"""

OPENBAO_FLOOR = (2, 6, 0)
"""GHSA-59w7-v8rr-pr4p and GHSA-xp3c-3jw3-4vcr: policies could be widened or passed by (OpenBao's CHANGELOG, 2.6.0)."""

VAULT_FLOOR = (2, 0, 0)
VAULT_BRANCHES = {(1, 21): (1, 21, 5), (1, 20): (1, 20, 10), (1, 19): (1, 19, 16)}
"""CVE-2026-3605 (HCSEC-2026-05): a relative path passes by a policy with a glob. The branches are Enterprise's."""

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def postgres_name(version: int) -> str:
    """`server_version_num` as people say it: `PostgreSQL 15.18` for 150018."""
    return "PostgreSQL {}.{}".format(*divmod(version, 10_000))


def postgres_version(where: str, version: int) -> Iterator[Finding]:
    """Judge `server_version_num`, such as 150018 for 15.18."""
    major, minor = divmod(version, 10_000)
    oldest, newest = min(POSTGRES_FLOORS), max(POSTGRES_FLOORS)
    got = f"got {postgres_name(version)}"
    if major < oldest:
        yield error(
            where, f"not supported ({got}, expected {oldest} to {newest})", f"upgrade to {newest} with pg_upgrade"
        )
    elif major > newest:
        yield warning(
            where, f"not tried with runlease yet ({got}, expected {oldest} to {newest})", "try it on a copy first"
        )
    elif minor < POSTGRES_FLOORS[major]:
        floor = f"{major}.{POSTGRES_FLOORS[major]}"
        yield warning(
            where, f"has known security holes ({got}, expected at least {floor})", f"install {floor} or later"
        )


def is_openbao(health: Mapping[str, Any]) -> bool:
    """Tell OpenBao from Vault by `sys/health`: both have a version 2, and only Vault says whether it is Enterprise."""
    return "enterprise" not in health and not str(health.get("version", "")).startswith(("0.", "1."))


def engine_name(health: Mapping[str, Any]) -> str:
    """`OpenBao 2.7.1`; without a number where `sys/health` names none."""
    return f"{'OpenBao' if is_openbao(health) else 'Vault'} {health.get('version', '')}".strip()


def engine_version(where: str, health: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the version that `sys/health` names."""
    text = str(health.get("version", ""))
    found = _NUMBERS.match(text)
    if not found:
        yield warning(
            where, f"does not say its version (got {text!r})", "ask its operator; see docs/check.md for the floors"
        )
        return
    major, minor, patch = map(int, found.groups())
    floor = OPENBAO_FLOOR if is_openbao(health) else VAULT_BRANCHES.get((major, minor), VAULT_FLOOR)
    if (major, minor, patch) < floor:
        least = ".".join(map(str, floor))
        yield warning(
            where,
            f"has known security holes (got {engine_name(health)}, expected at least {least})",
            f"upgrade to {least} or later",
        )
