"""Tekton: LeaseTasks, the Tasks from `tekton/` and what they must know of one installation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from runlease.config.made import config_map_name
from runlease.provision.kubernetes import DELETE_AT_ONCE
from runlease.tasks import TASKS as TASKS  # `as`: also for those who ask for it here
from runlease.tasks import UID, Connection, Wrapping, for_installation, one_document, wrap
from runlease.tasks import read_task as read_task
from runlease.tasks import task_file as task_file


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
    """The Tasks as `tekton.dev/v1` objects, and a ConfigMap with addresses and CA certificates. No secret in either.

    Give it `depends_on` the policies of its namespace, where there are any: they must stand before it and outlast it.
    """

    def __init__(self, name: str, args: LeaseTasksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseTasks", name, {}, opts)
        after = opts.depends_on if opts else None
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after)
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
                _task(f"{name}-{task}", document, args["namespace"], child)
        self.register_outputs({})


class LeasedTaskArgs(TypedDict):
    """A Task of your own, and the lease that its steps hold. Plain data: it decides what the Task is."""

    task: Mapping[str, Any] | str
    """The Task as a document, or the path of its YAML file."""
    lease: str
    """Name of the lease; it stays a parameter of the Task, with this default."""
    installation: str
    namespace: str
    audience: NotRequired[str]
    """Audience of the run tokens. Default: `runlease/<installation>`."""
    token_expiry: NotRequired[int]
    """Life of the run tokens in seconds. Default: 600, the least that Kubernetes issues."""
    connections: NotRequired[Sequence[str]]
    """Forms in which the steps are told their connection, as `runlease wrap --connection`. Default: `service`."""
    run_as_user: NotRequired[int | None]
    """One user for guard and steps. Default: 65532; None leaves it to the platform."""
    images: NotRequired[Mapping[str, str]]
    """`guard-image` and `psql-image`; best by digest. Default: those of the catalogue."""


class LeasedTask(pulumi.ComponentResource):
    """A Task of your own with the guard round it, as a `tekton.dev/v1` object.

    Raises WrapError, before anything is registered, with every reason why the Task cannot be wrapped.
    """

    document: Mapping[str, Any]
    """The wrapped Task."""

    def __init__(self, name: str, args: LeasedTaskArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        self.document = wrap(_given(args["task"]), _wrapping(args))
        super().__init__("runlease:index:LeasedTask", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        _task(f"{name}-task", self.document, args["namespace"], child)
        self.register_outputs({})


def _given(task: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if not isinstance(task, str):
        return task
    return one_document(Path(task).read_text(encoding="utf-8"), task)


def _wrapping(args: LeasedTaskArgs) -> Wrapping:
    connections = tuple(Connection.parse(text) for text in args.get("connections", ["service"]))
    return Wrapping(
        args["lease"],
        connections,
        args.get("run_as_user", UID),
        args.get("images", {}),
        args["installation"],
        args.get("audience", ""),
        args.get("token_expiry", 600),
    )


def _task(name: str, document: Mapping[str, Any], namespace: str, opts: pulumi.ResourceOptions) -> None:
    kubernetes.apiextensions.CustomResource(
        name,
        api_version=document["apiVersion"],
        kind=document["kind"],
        metadata=_in_namespace(document["metadata"], namespace),
        spec=document["spec"],
        opts=opts,
    )


_LABELS = {"app.kubernetes.io/managed-by": "runlease"}


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
