"""Servers of their own for tests of `runlease sweep`, which looks at all that is there."""

from tests.live.servers import (
    own_folder,
    own_openbao,
    own_postgres,
    own_postgres15,
    own_postgres18,
    own_processes,
    own_sites,
)

__all__ = [
    "own_folder",
    "own_openbao",
    "own_postgres",
    "own_postgres15",
    "own_postgres18",
    "own_processes",
    "own_sites",
]
