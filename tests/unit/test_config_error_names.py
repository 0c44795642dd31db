"""Names that no server keeps as they are written are refused, and the longest that fits is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runlease.config import load
from tests.unit.config_edits import (
    PROD,
    Edit,
    at,
    messages,
    pipeline,
    second_database,
    settings_with,
    shop,
)

NAMES = {
    "a quote": 'a"b',
    "an apostrophe": "a'b",
    "a dot": "a.b",
    "a capital": "Shop",
    "an emoji": "🐘",
    "a space": "a b",
    "a newline": "shop\n",
    "a zero byte": "a\0b",
    "a slash": "a/b",
    "a brace": "{{name}}",
    "nothing": "",
    "only a dash": "-",
    "64 bytes": "a" * 64,
    "300 bytes": "a" * 300,
    "letters of two bytes": "é" * 10,
    "digits that are not ASCII": "a\u0661",
}
PLACES: dict[str, Callable[[str], Edit]] = {
    "installation": lambda name: at("installation", is_=name),
    "databases.": lambda name: second_database(name),
    "leases.": lambda name: at("leases", name, is_=PROD["leases"]["shop-reader"]),
    "pipelines.": lambda name: at("pipelines", name, is_=PROD["pipelines"]["shop-check"]),
    "pipelines.shop-release.tasks.": lambda name: pipeline(tasks={name: "shop-reader"}),
    "pipelines.shop-release.namespace": lambda name: pipeline(namespace=name),
    "vault.jwt_mount": lambda name: at("vault", "jwt_mount", is_=name),
    "databases.shop.dbname": lambda name: shop(dbname=name),
    "databases.shop.owner": lambda name: shop(owner=name),
    "databases.shop.admin": lambda name: shop(admin=name),
    "databases.shop.schemas.0": lambda name: shop(schemas=[name]),
    "databases.shop.connect.0": lambda name: shop(connect=[name]),
    "databases.shop.close.0": lambda name: shop(close=[name]),
    "databases.shop.extensions.0": lambda name: shop(extensions=[name]),
    "databases.shop.profiles.reader.members.0": lambda name: shop(profiles={"reader": {"members": [name]}}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_that_no_server_keeps_as_it_is_written_is_refused(place: str, name: str) -> None:
    where = f"access.{place}{name if place.endswith('.') else ''}: not a usable name (got {name!r}, expected "
    found = messages(PLACES[place](name))
    assert any(message.startswith(where) and "bytes). Fix: rename it" in message for message in found), found


@pytest.mark.parametrize(
    ("edit", "fits"),
    [
        (shop(owner="a" * 63), True),
        (shop(owner="a" * 64), False),
        (second_database("a" * 39), True),
        (second_database("a" * 40), False),
        (at("leases", "a" * 38, is_=PROD["leases"]["shop-reader"]), True),
        (at("leases", "a" * 39, is_=PROD["leases"]["shop-reader"]), False),
        (pipeline(namespace="a" * 63), True),
        (pipeline(namespace="a" * 64), False),
        (at("pipelines", "a" * 63, is_=PROD["pipelines"]["shop-check"]), True),
        (at("pipelines", "a" * 64, is_=PROD["pipelines"]["shop-check"]), False),
    ],
)
def test_the_last_byte_that_fits(edit: Edit, fits: bool) -> None:
    if fits:
        load(settings_with(edit))
    else:
        assert any("not a usable name" in message for message in messages(edit))


def test_the_longest_names_still_fit_where_they_are_put_together() -> None:
    key, lease_name = "k" * 39, "l" * 38
    settings = load(settings_with(second_database(key), at("leases", lease_name, is_=PROD["leases"]["shop-reader"])))
    assert key in settings.databases
    assert len(f"runlease_{key}_vault_migrator") == 63
    assert len(f"run_{lease_name}_{'x' * 20}") == 63
