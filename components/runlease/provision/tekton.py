"""Tekton: LeaseTasks, the Tasks from `tekton/` and what they must know of one installation."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from runlease.provision.kubernetes import DELETE_AT_ONCE

CONFIG_MAP = "runlease"
"""Begins the name of the ConfigMap that the Tasks mount; the installation's name follows."""

TASKS: Mapping[str, str] = {
    "lease-audit": "0.1",
    "postgres-migrate": "0.1",
    "postgres-run": "0.1",
    "postgres-sandbox": "0.1",
}
"""Every Task and the version that this package installs."""


class LeaseTasksArgs(TypedDict):
    """What one namespace gets."""

    installation: str
    namespace: str
    audience: str
    """Audience of the run tokens."""
    token_expiry: int
    """Life of the run tokens in seconds; Kubernetes issues none below 600."""
    existing: bool
    """Whether the Tasks exist already, by a cluster resolver or a catalogue; then only the ConfigMap is made."""
    vault: Mapping[str, pulumi.Input[Any]]
    """`vault.json`: address, ca (PEM), namespace, jwt_mount."""
    databases: Mapping[str, Mapping[str, pulumi.Input[Any]]]
    """`database.<key>.json`: host, port, dbname, sslmode, ca (PEM)."""
    leases: Mapping[str, Mapping[str, pulumi.Input[Any]]]
    """`lease.<name>.json`: database, creds_path, role, search_path, ttl, max_ttl."""


class LeaseTasks(pulumi.ComponentResource):
    """The Tasks as `tekton.dev/v1` objects, and a ConfigMap with addresses and CA certificates. No secret in either."""

    def __init__(self, name: str, args: LeaseTasksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseTasks", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        config = config_map_name(args["installation"])
        kubernetes.core.v1.ConfigMap(
            f"{name}-config",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=config, namespace=args["namespace"], labels=_LABELS, annotations=DELETE_AT_ONCE
            ),
            data=_data(args),
            opts=child,
        )
        if not args["existing"]:
            for task in TASKS:
                document = for_installation(read_task(task), config, args["audience"], args["token_expiry"])
                kubernetes.apiextensions.CustomResource(
                    f"{name}-{task}",
                    api_version=document["apiVersion"],
                    kind=document["kind"],
                    metadata=_in_namespace(document["metadata"], args["namespace"]),
                    spec=document["spec"],
                    opts=child,
                )
        self.register_outputs({})


_LABELS = {"app.kubernetes.io/managed-by": "runlease"}


def config_map_name(installation: str) -> str:
    """Name of the installation's ConfigMap in each namespace that its pipelines run in."""
    return f"{CONFIG_MAP}-{installation}"


def task_file(task: str) -> Path:
    """Path of a Task's YAML: in an installed package, or in the repository it is developed in."""
    relative = Path("task") / task / TASKS[task] / f"{task}.yaml"
    installed = Path(str(files("runlease"))) / "tekton" / relative
    return installed if installed.exists() else Path(__file__).parents[3] / "tekton" / relative


@cache
def read_task(task: str) -> dict[str, Any]:
    """A Task as a document, read once. Raises FileNotFoundError when the package was built without `tekton/`."""
    document: dict[str, Any] = yaml.safe_load(task_file(task).read_text(encoding="utf-8"))
    return document


def for_installation(document: Mapping[str, Any], config: str, audience: str, token_expiry: int) -> dict[str, Any]:
    """The same Task with this installation's defaults, so that a pipeline names only its lease. Pure."""
    defaults = {"installation-config": config, "audience": audience}
    params = [
        {**param, "default": defaults[param["name"]]} if param["name"] in defaults else param
        for param in document["spec"]["params"]
    ]
    volumes = [_with_expiry(volume, token_expiry) for volume in document["spec"]["volumes"]]
    return {**document, "spec": {**document["spec"], "params": params, "volumes": volumes}}


def _with_expiry(volume: Mapping[str, Any], seconds: int) -> Mapping[str, Any]:
    if "projected" not in volume:
        return volume
    sources = [
        {"serviceAccountToken": {**source["serviceAccountToken"], "expirationSeconds": seconds}}
        for source in volume["projected"]["sources"]
    ]
    return {**volume, "projected": {**volume["projected"], "sources": sources}}


def _in_namespace(metadata: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    annotations = {**metadata.get("annotations", {}), **DELETE_AT_ONCE}
    return {**metadata, "namespace": namespace, "annotations": annotations}


def _data(args: LeaseTasksArgs) -> dict[str, pulumi.Output[str]]:
    documents: dict[str, Mapping[str, pulumi.Input[Any]]] = {
        "vault.json": {"installation": args["installation"], **args["vault"]}
    }
    documents |= {f"database.{key}.json": database for key, database in args["databases"].items()}
    documents |= {f"lease.{lease}.json": settings for lease, settings in args["leases"].items()}
    return {name: pulumi.Output.all(**document).apply(_json) for name, document in documents.items()}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(dict(document), sort_keys=True, indent=1)
