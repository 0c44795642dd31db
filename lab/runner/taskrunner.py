"""Starts TaskRuns on this machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.issuer import TokenIssuer
from lab.runner.node import Image
from lab.runner.run_spec import RunSpec, Sidecars
from lab.runner.task import Param
from lab.runner.taskrun import Cluster, TaskRun

HOUR = 3600.0
"""Tekton's default timeout, in seconds."""


class TaskRunner:
    """Starts TaskRuns; all that still runs is ended when the block is left. The arguments: see `Cluster`."""

    def __init__(
        self,
        folder: Path,
        issuer: TokenIssuer,
        config_maps: Mapping[str, Mapping[str, str]],
        images: Mapping[str, Image] | None = None,
        *,
        reconcile: float = 0.1,
        grace: float = 30,
    ) -> None:
        self.config_maps = config_maps
        """Those of the namespace, for what is started from now on."""
        self._cluster = Cluster(folder, issuer, config_maps, images or {}, reconcile=reconcile, grace=grace)
        self._runs: list[TaskRun] = []

    def __enter__(self) -> TaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.remove()

    def start(
        self,
        task: Mapping[str, Any],
        *,
        service_account: str,
        namespace: str = "ci",
        name: str = "",
        params: Mapping[str, Param] | None = None,
        workspaces: Mapping[str, Path] | None = None,
        pipeline_run: str = "",
        environment: Mapping[str, str] | None = None,
        sidecars: Sidecars = Sidecars.CLASSIC,
        timeout: float | None = None,
        retries: int = 0,
        nop_has_shell: bool = False,
        controller_down: bool = False,
        keep_pod_on_cancel: bool = False,
    ) -> TaskRun:
        """Start a TaskRun. Raises TaskError, before anything starts, for what Tekton would refuse.

        environment: `podTemplate.env`. timeout: the TaskRun's, in seconds. controller_down: once the steps may begin,
        nobody looks at the pod until `controller_returns`. keep_pod_on_cancel: the feature flag.
        """
        spec = RunSpec(
            task=task,
            name=name or f"{task['metadata']['name']}-{len(self._runs)}",
            namespace=namespace,
            service_account=service_account,
            params=params or {},
            workspaces=workspaces or {},
            sidecars=sidecars,
            timeout=HOUR if timeout is None else timeout,
            environment=environment or {},
            pipeline_run=pipeline_run,
            uid=str(uuid.uuid4()),
        )
        cluster = replace(
            self._cluster,
            config_maps=self.config_maps,
            keep_pod_on_cancel=keep_pod_on_cancel,
            nop_has_shell=nop_has_shell,
        )
        run = TaskRun(spec, cluster, retries, controller=not controller_down)
        self._runs.append(run)
        return run
