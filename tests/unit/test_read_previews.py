"""Previews of the real CLI, recorded by tests/engine/test_previews.py, as the reader understands them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runlease.access import Access
from runlease.access.diff import diff
from runlease.access.effects import Kind, effects
from runlease.readers.error import ReadError
from runlease.readers.preview import Plan, read_plan, read_state
from runlease.readers.properties import Resource
from runlease.readers.resources import to_access
from tests.unit.resources import SECRET, revealed

FOLDER = Path(__file__).parents[1] / "data" / "previews"
STATE, BESIDE = FOLDER / "state.json", FOLDER / "state-beside.json"


def plan(name: str, state: Path | None = None) -> Plan:
    return read_plan(FOLDER / name, state)


def changes(read: Plan) -> list[str]:
    """Every noun that differs, by section and name; a URN by the name in it."""
    signs = {(True, False): "+", (False, True): "-", (False, False): "~"}
    return [
        f"{signs[one.before is None, one.after is None]} {one.section} {one.name.rpartition('::')[2]}"
        for one in diff(read.before, read.after)
    ]


def told(read: Plan) -> dict[str, list[Kind]]:
    """What a difference means for each holder."""
    return {
        holder: sorted({effect.kind for effect in one.effects})
        for one in effects(read.before, read.after)
        for holder in one.holders
    }


def test_a_first_deployment_begins_with_nothing() -> None:
    first = plan("first.json")
    assert first.before == Access("", unread=())
    assert [str(one) for one in first.after.databases] == ["shop: shop, owned by shop_owner"]
    assert [str(one) for one in first.after.leases] == [
        "migrator: shop_migrator for 5m, at most 10m",
        "reader: shop_reader for 5m, at most 10m",
    ]
    assert [(str(one), one.pipeline, one.task) for one in first.after.bindings] == [
        ("shop/release-migrator may obtain migrator", "release", "migrator"),
        ("shop/release-reader may obtain reader", "release", "reader"),
    ]
    assert (first.after.unread, first.hazards) == ((), ())


def test_both_forms_of_a_preview_say_the_same() -> None:
    assert plan("first-stream.jsonl") == plan("first.json")
    assert plan("hazards-stream.jsonl") == plan("hazards.json", BESIDE)


def test_what_was_planned_first_is_what_the_state_has() -> None:
    assert read_state(STATE) == plan("first.json").after


def test_no_change_is_no_change_with_every_resource_shown_or_taken_from_the_state() -> None:
    shown, hidden = plan("unchanged.json"), plan("hidden.json", STATE)
    assert shown == hidden == Plan(read_state(STATE), read_state(STATE), ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "new-writer",
            [
                "+ roles shop shop_seeder",
                "+ leases seeder",
                "+ bindings shop release-seed release seed seeder",
                "~ connections shop-db shop-data",
                "+ policies shop.seeder",
                "+ trusts shop-jwt shop.shop.release-seed",
                "+ accounts shop release-seed",
            ],
        ),
        (
            "longer-life",
            [
                "~ leases reader",
                "~ connections shop-db shop-data",
                "~ connections shop-db shop-migrator",
                "~ trusts shop-jwt shop.shop.release-reader",
            ],
        ),
        ("new-member", ["~ roles shop shop_reader"]),
        (
            "removed-lease",
            [
                "- leases reader",
                "- bindings shop release-reader release reader reader",
                "~ connections shop-db shop-data",
                "- policies shop.reader",
                "- trusts shop-jwt shop.shop.release-reader",
                "- accounts shop release-reader",
            ],
        ),
        (
            "new-audience",
            [
                "~ bindings shop release-migrator release migrator migrator",
                "~ bindings shop release-reader release reader reader",
                "~ trusts shop-jwt shop.shop.release-migrator",
                "~ trusts shop-jwt shop.shop.release-reader",
            ],
        ),
        ("new-schema", ["~ databases shop", "~ roles shop shop_reader"]),
    ],
)
def test_a_change_of_the_settings_is_this_difference_and_no_other(name: str, expected: list[str]) -> None:
    read = plan(f"{name}.json", STATE)
    assert changes(read) == expected
    assert (read.hazards, read.after.unread) == ((), ())


def test_a_change_reaches_whom_it_is_for() -> None:
    assert told(plan("new-member.json", STATE)) == {"bi_tool": [Kind.NEW_HOLDER]}
    assert told(plan("longer-life.json", STATE)) == {"shop/release-reader": [Kind.LONGER]}
    assert told(plan("removed-lease.json", STATE)) == {"shop/release-reader": [Kind.LOSS]}
    assert set(told(plan("new-writer.json", STATE))) == {"shop/release-seed"}


def test_what_stands_beside_the_components_is_seen() -> None:
    beside = plan("beside.json", STATE)
    assert changes(beside) == [
        "+ roles shop PUBLIC",
        "+ roles shop lead",
        "~ roles shop shop_owner",
        "~ roles shop shop_reader",
        *["+ bindings * * migrator"] * 2,
        *["+ bindings * * reader"] * 2,
        "+ policies all",
        "+ trusts shop-jwt anybody",
        "+ permissions shop developers",
        "+ unread unknown",
        "+ unread people",
    ]
    assert told(beside)["lead"][0] is Kind.OWNER
    assert told(beside)["PUBLIC"] == [Kind.TO_PUBLIC]


def test_a_value_that_is_not_known_before_up_is_said() -> None:
    whys = {one.where.rpartition("::")[2]: one.why for one in plan("beside.json", STATE).after.unread}
    assert whys["unknown"] == "role is not known before up"


def test_plans_that_take_access_away_unseen_are_found() -> None:
    assert [(one.rule, one.where) for one in plan("hazards.json", BESIDE).hazards] == [
        ("PL001", "Grant renamed"),
        ("PL002", "DefaultPrivileges lead-future"),
        ("PL002", "GrantRole lead-reader"),
        ("PL003", "Role lead"),
    ]
    assert "shop_owner" in plan("hazards.json", BESIDE).hazards[-1].what


def test_a_replacement_that_deletes_first_is_no_hazard() -> None:
    read = plan("deleted-first.json", BESIDE)
    assert read.hazards == ()
    assert changes(read) == ["~ roles shop lead", "~ roles shop shop_reader"]


def test_a_destroy_takes_everything_but_what_is_kept() -> None:
    destroyed = plan("destroy.json")
    kept = destroyed.after
    assert [role.name for role in kept.roles] == ["shop_owner"]
    assert [str(one) for one in kept.databases] == ["shop: shop, owned by shop_owner"]
    assert (kept.leases, kept.bindings, kept.trusts, kept.unread) == ((), (), (), ())
    assert {kind for kinds in told(destroyed).values() for kind in kinds} == {Kind.LOSS}


def test_a_grant_that_goes_with_another_role_stays(tmp_path: Path) -> None:
    """`connect:` of the settings: nothing is revoked when the broker goes, so the login keeps CONNECT."""
    document = json.loads((FOLDER / "destroy.json").read_text())
    (broker,) = (step for step in document["steps"] if step["urn"].endswith("::shop-shop-broker"))
    (reader,) = (step for step in document["steps"] if step["urn"].endswith("::shop-shop-grant-reader-database"))
    document["steps"] += [
        _deleted_with(broker["urn"], reader, "connect", "shop_app"),
        _deleted_with(broker["urn"], reader, "own", broker["oldState"]["inputs"]["name"]),
    ]
    path = tmp_path / "destroy.json"
    path.write_text(json.dumps(document))
    assert [role.name for role in read_plan(path).after.roles] == ["shop_app", "shop_owner"]


def _deleted_with(urn: str, grant: dict[str, Any], name: str, role: str) -> dict[str, Any]:
    state = {**grant["oldState"], "urn": f"{grant['urn']}-{name}", "deletedWith": urn}
    return {"op": "delete", "urn": state["urn"], "oldState": {**state, "inputs": {**state["inputs"], "role": role}}}


def test_a_failed_preview_is_refused_without_its_text() -> None:
    with pytest.raises(ReadError, match=r"failed\.json: the preview failed \(got 1 errors.*Fix: ") as refused:
        plan("failed.json")
    assert "a program that fails" not in str(refused.value)


def test_what_does_not_change_must_be_shown_or_given() -> None:
    with pytest.raises(ReadError, match=r"got 1 of \d+ unchanged resources, expected all.*--show-sames"):
        plan("hidden.json")


def test_a_state_of_another_moment_is_refused() -> None:
    with pytest.raises(ReadError, match="is not the state that the preview began with"):
        plan("hazards.json", STATE)


def test_a_preview_of_another_project_or_stack_is_refused(tmp_path: Path) -> None:
    for right in ("runlease", "runlease/shop"):
        assert read_plan(FOLDER / "first.json", project=right) == plan("first.json")
    with pytest.raises(ReadError, match=r"another project \(got runlease/shop, expected billing\)"):
        read_plan(FOLDER / "first.json", project="billing")
    other = tmp_path / "state.json"
    other.write_text(STATE.read_text().replace("urn:pulumi:shop::", "urn:pulumi:prod::"))
    with pytest.raises(ReadError, match="is of several stacks"):
        read_plan(FOLDER / "new-member.json", other)


def test_a_resource_that_an_alias_renames_is_one_resource(tmp_path: Path) -> None:
    document = json.loads((FOLDER / "hidden.json").read_text())
    shown = json.loads((FOLDER / "unchanged.json").read_text())["steps"]
    (grant,) = (step for step in shown if step["urn"].endswith("::shop-shop-grant-reader-table-app"))
    urn = f"{grant['urn']}-renamed"
    document["steps"].append({**grant, "urn": urn, "newState": {**grant["newState"], "urn": urn}})
    path = tmp_path / "preview.json"
    path.write_text(json.dumps(document))
    assert changes(read_plan(path, STATE)) == []


def test_a_refresh_shows_what_is_there_before_anything_changes(tmp_path: Path) -> None:
    document = json.loads((FOLDER / "unchanged.json").read_text())
    gone = next(step for step in document["steps"] if step["urn"].endswith("::shop-shop-grant-reader-table-app"))
    refresh = {"op": "refresh", "urn": gone["urn"], "oldState": gone["oldState"], "newState": None}
    create = {"op": "create", "urn": gone["urn"], "newState": gone["newState"]}
    document["steps"] = [refresh, *(create if step is gone else step for step in document["steps"])]
    document["changeSummary"] = {}
    path = tmp_path / "refreshed.json"
    path.write_text(json.dumps(document))
    assert changes(read_plan(path)) == ["~ roles shop shop_reader"]


def test_what_waits_for_its_deletion_is_said(tmp_path: Path) -> None:
    document = json.loads(STATE.read_text())
    old = next(one for one in document["deployment"]["resources"] if one["urn"].endswith("::shop-engine-policy-reader"))
    document["deployment"]["resources"].append({**old, "delete": True})
    path = tmp_path / "state.json"
    path.write_text(json.dumps(document))
    access = read_state(path)
    assert [one.why[:24] for one in access.unread] == ["was replaced and waits f"]
    assert dataclasses.replace(access, unread=()) == read_state(STATE)


def _everything(access: Access) -> str:
    return repr(dataclasses.asdict(access))


def test_no_secret_of_a_state_is_in_any_noun(tmp_path: Path) -> None:
    for encrypted in (STATE, BESIDE):
        document = revealed(json.loads(encrypted.read_text()))
        path = tmp_path / encrypted.name
        path.write_text(json.dumps(document))
        assert SECRET in path.read_text()
        read = read_state(path)
        assert SECRET not in _everything(read)
        assert "v1:AAAA" not in _everything(read_state(encrypted))


GARBAGE: tuple[Any, ...] = (None, [], {}, 1, -1.5, "x", True, [None], [1], {"a": []}, [{"a": "b"}], "[secret]", SECRET)


def _resources(path: Path) -> Iterator[Resource]:
    for state in json.loads(path.read_text())["deployment"]["resources"]:
        yield Resource.of_state(state)


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_garbage_in_a_resource_is_unread_and_never_a_crash(garbage: Any) -> None:
    every = {one.urn: one for one in _resources(BESIDE)}
    for one in {one.type: one for one in every.values()}.values():
        for key in one.inputs:
            changed = dataclasses.replace(one, inputs={**one.inputs, key: garbage})
            assert to_access((every | {one.urn: changed}).values()).installation == "shop"
