"""Each violation is found by the check that is for it, by name; what the check says mends it, does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from runlease.config import load
from runlease.evidence.verify.check import Found
from runlease.evidence.verify.checks import CHECKS
from runlease.evidence.verify.edge_postgresql import ask
from runlease.evidence.verify.site import Site
from tests.live.deployment import Deployment, settings_of
from tests.live.verify_seeds import SEEDS, Seed


class Place(NamedTuple):
    """A site with a leased reader and a leased sandbox, and a superuser's session in it that is always undone."""

    deployed: Deployment
    site: Site
    names: dict[str, str]
    session: psycopg.Connection

    def filled(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def found(self, id: str) -> dict[str, Found]:
        checks = [check for check in CHECKS if check.id == id]
        answers = list(ask(self.site, self.session, checks))
        assert [one for one in answers if not isinstance(one, Found)] == []
        return {one.object: one for one in answers if isinstance(one, Found)}


@pytest.fixture(scope="module")
def standing(audited: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = load(settings_of(audited, tmp_path_factory.mktemp("verify")))
    with audited.leased("reader") as reader, audited.leased("sandbox") as sandbox, audited.as_superuser() as session:
        names = {"key": audited.key, "login": reader.login, "sandbox": sandbox.login}
        with audited.connect(sandbox) as run:
            run.execute(f"CREATE TABLE {sandbox.login}.own (id serial PRIMARY KEY)".encode())
        yield Place(audited, Site.of(audited.key, settings), names, session)


@pytest.fixture
def place(standing: Place) -> Iterator[Place]:
    with standing.session.transaction(force_rollback=True):
        yield standing


@pytest.mark.parametrize("seed", SEEDS, ids=[f"{one.id}-{place}" for place, one in enumerate(SEEDS)])
def test_a_violation_is_found_by_name_and_mended(place: Place, seed: Seed) -> None:
    if place.deployed.major < seed.since:
        with pytest.raises(psycopg.Error):
            place.session.execute(place.filled(seed.sql).encode())
        return
    thing, before = place.filled(seed.object), place.found(seed.id)
    place.session.execute(place.filled(seed.sql).encode())
    place.session.execute("RESET SESSION AUTHORIZATION")
    after = place.found(seed.id)
    new = {object: one for object, one in after.items() if before.get(object) != one}
    assert [object for object in new if thing in object], (thing, after)
    assert all(one.mend for one in new.values())
    if seed.mends:
        for one in new.values():
            place.session.execute(one.mend.encode())
        assert place.found(seed.id).keys() == before.keys()


def test_every_check_of_the_catalogs_is_seeded() -> None:
    elsewhere = {
        "LV103",
        "LV104",
        "LV214",
        "LV601",
        "LV602",
        "LV603",
        "LV604",
        "LV605",
        "LV612",
        "LV613",
        "LV614",
        "LV616",
        "LV617",
    }
    assert {check.id for check in CHECKS} - elsewhere == {seed.id for seed in SEEDS}
    assert len({seed.sql for seed in SEEDS}) > 80


def test_ids_and_names_are_given_once() -> None:
    assert len({check.id for check in CHECKS}) == len({check.name for check in CHECKS}) == len(CHECKS)


EXPLAINED = {"LV302", "LV307", "LV612"}
"""Other databases stand open on the lab's server, and it logs DDL alone."""


def test_a_clean_site_with_leases_and_their_objects_has_no_finding_but_the_explained(place: Place) -> None:
    assert {
        str(one)
        for one in ask(place.site, place.session, CHECKS)
        if not (isinstance(one, Found) and one.id in EXPLAINED)
    } == set()
