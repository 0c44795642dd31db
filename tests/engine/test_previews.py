"""The recorded previews are what the real CLI writes: made again, each says the same to the reader.

`RUNLEASE_RECORD=1 python -m pytest tests/engine/test_previews.py` writes all of them anew. Without it the changes of
the settings, which differ in no form from the rest, are not made again: each costs some seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lab.stack import Servers
from runlease.readers.error import ReadError
from runlease.readers.preview import Plan, read_plan, read_state
from tests.engine.deployment import Deployment
from tests.engine.previews import FOLDER, Recorder

RECORDING = os.environ.get("RUNLEASE_RECORD") == "1"
WITHOUT_REFRESH = "--refresh=false"
PLAIN = """\
import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_postgresql as postgresql
import pulumi_vault as vault

config = pulumi.Config("runlease")
settings = config.require_object("access")
shop = settings["databases"]["shop"]
admin = pulumi.ResourceOptions(
    provider=postgresql.Provider(
        "beside", host=shop["host"], port=shop["port"], database="shop", username="postgres", sslrootcert=shop["ca"],
        password=config.require_secret("admin-password-shop"), sslmode="verify-full",
    )
)
in_vault = pulumi.ResourceOptions(
    provider=vault.Provider(
        "beside-vault", address=settings["vault"]["address"], ca_cert_file=settings["vault"]["ca"],
        token=config.require_secret("vault-token"),
    )
)
in_cluster = pulumi.ResourceOptions(
    provider=kubernetes.Provider("beside-cluster", kubeconfig=config.require_secret("kubeconfig"))
)
everybody = postgresql.Grant(
    "{grant}", database="shop", role="public", object_type="schema", schema="app", privileges=["USAGE"], opts=admin
)
lead = postgresql.Role(
    "lead", name="lead", login=True, create_database=True, password="a-plain-password", connection_limit={limit},
    opts=pulumi.ResourceOptions.merge(admin, pulumi.ResourceOptions(depends_on=[everybody])),
)
after = pulumi.ResourceOptions.merge(
    admin, pulumi.ResourceOptions(depends_on=[lead], delete_before_replace={first} or None)
)
postgresql.GrantRole(
    "lead-reader", role="lead", grant_role="shop_reader", with_admin_option={hands_on}, opts=after
)
postgresql.GrantRole("lead-owner", role="lead", grant_role="shop_owner", opts=after)
postgresql.DefaultPrivileges(
    "lead-future", database="shop", owner="shop_owner", role="lead", schema="app", object_type="table",
    privileges=["UPDATE"], with_grant_option={hands_on}, opts=after,
)
vault.Policy("all", name="all", policy='path "shop-db/creds/*" {{ capabilities = ["read"] }}', opts=in_vault)
vault.jwt.AuthBackendRole(
    "anybody", backend="shop-jwt", role_name="anybody", role_type="jwt", user_claim="sub", token_policies=["all"],
    bound_audiences=["one", "two"], opts=in_vault,
)
vault.identity.Group("people", name="people", policies=["all"], opts=in_vault)
background = {{"pulumi.com/deletionPropagationPolicy": "background"}}  # the lab has no garbage collector to wait for
metadata = {{"name": "into-pods", "namespace": "shop", "annotations": background}}
rules = kubernetes.rbac.v1.Role(
    "into-pods", metadata=metadata,
    rules=[{{"api_groups": [""], "resources": ["pods/exec"], "verbs": ["create"]}}], opts=in_cluster,
)
kubernetes.rbac.v1.RoleBinding(
    "into-pods", metadata=metadata,
    role_ref={{"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": "into-pods"}},
    subjects=[{{"kind": "Group", "name": "developers", "api_group": "rbac.authorization.k8s.io"}}],
    opts=pulumi.ResourceOptions.merge(in_cluster, pulumi.ResourceOptions(depends_on=[rules])),
)
{more}
"""
UNKNOWN = """\
kv = vault.Mount("kv", path="kv", type="kv", opts=in_vault)
postgresql.Grant(
    "unknown", database="shop", role=kv.accessor, object_type="table", schema="app", privileges=["DELETE"], opts=admin
)
"""
Settings = dict[str, Any]


def plain(**edits: Any) -> str:
    """The program beside the components, with what is to be different."""
    usual = {"grant": "everybody", "limit": 2, "hands_on": False, "first": False, "more": ""}
    return PLAIN.format(**(usual | edits))


def new_writer(settings: Settings) -> None:
    settings["databases"]["shop"]["profiles"]["seeder"] = {}
    settings["leases"]["seeder"] = {"database": "shop", "profile": "seeder", "ttl": "5m", "max_ttl": "10m"}
    settings["pipelines"]["release"]["tasks"]["seed"] = "seeder"


def longer_life(settings: Settings) -> None:
    settings["leases"]["reader"] |= {"ttl": "20m", "max_ttl": "40m"}


def new_member(settings: Settings) -> None:
    settings["databases"]["shop"]["profiles"]["reader"] = {"members": ["bi_tool"]}


def removed_lease(settings: Settings) -> None:
    del settings["leases"]["reader"], settings["pipelines"]["release"]["tasks"]["reader"]


def new_audience(settings: Settings) -> None:
    settings["cluster"]["audience"] = "another"


def new_schema(settings: Settings) -> None:
    settings["databases"]["shop"]["schemas"] = ["app", "audit"]


CHANGES: dict[str, Callable[[Settings], None]] = {
    "new-writer": new_writer,
    "longer-life": longer_life,
    "new-member": new_member,
    "removed-lease": removed_lease,
    "new-audience": new_audience,
    "new-schema": new_schema,
}


def record(shop: Deployment, recorder: Recorder) -> None:
    """The life of a stack: every preview on its way."""
    recorder.preview("first.json", WITHOUT_REFRESH)
    recorder.preview("first-stream.jsonl", WITHOUT_REFRESH, streaming=True)
    shop.apply()
    recorder.export("state.json")
    recorder.preview("unchanged.json", WITHOUT_REFRESH, "--show-sames")
    recorder.preview("hidden.json", WITHOUT_REFRESH)
    before = deepcopy(shop.settings)
    for name, change in CHANGES.items() if RECORDING else ():
        change(shop.settings)
        recorder.preview(f"{name}.json", WITHOUT_REFRESH)
        shop.settings = deepcopy(before)
    recorder.program(plain(more=UNKNOWN))
    recorder.preview("beside.json", WITHOUT_REFRESH)
    recorder.program(plain())
    shop.apply()
    recorder.export("state-beside.json")
    recorder.program(plain(grant="renamed", limit=3, hands_on=True))
    recorder.preview("hazards.json", WITHOUT_REFRESH)
    recorder.preview("hazards-stream.jsonl", WITHOUT_REFRESH, streaming=True)
    recorder.program(plain(hands_on=True, first=True))
    recorder.preview("deleted-first.json", WITHOUT_REFRESH)
    recorder.program("raise ValueError('a program that fails')")
    recorder.preview("failed.json", WITHOUT_REFRESH)
    recorder.program("")
    recorder.preview("destroy.json", WITHOUT_REFRESH, command="destroy --preview-only")


@pytest.fixture(scope="module")
def texts(servers18: Servers, lab_folder: Path) -> Iterator[dict[str, str]]:
    shop = Deployment(lab_folder, servers18, "shop", profiles={"migrator": {}, "reader": {}})
    shop.settings["tasks"] = "existing"
    recorder = Recorder(shop)
    try:
        record(shop, recorder)
        yield recorder.texts
    finally:
        recorder.program("")
        shop.apply()  # what stands beside goes first: it needs ours
        shop.stack.stack.destroy(color="never")


def _read(path: Path) -> Plan | str:
    try:
        if path.name.startswith("state"):
            access = read_state(path)
            return Plan(access, access, ())
        beside = path.name in ("hazards.json", "deleted-first.json", "destroy.json")
        state = path.with_name("state-beside.json" if beside else "state.json")
        changed = path.name.removesuffix(".json") in CHANGES or beside or path.name == "beside.json"
        return read_plan(path, state if changed else None)
    except ReadError as error:
        return str(error).replace(str(path.parent), "")


@pytest.mark.timeout(900)  # up to twenty runs of the CLI, ten seconds each on a busy machine
def test_the_recordings_say_what_the_real_cli_says(texts: dict[str, str], tmp_path: Path) -> None:
    if RECORDING:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (FOLDER / name).write_text(text)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    changes = set() if RECORDING else {f"{name}.json" for name in CHANGES}
    assert texts.keys() | changes == {path.name for path in FOLDER.glob("*.json*")}
    for name in texts:
        assert _read(tmp_path / name) == _read(FOLDER / name), name
