"""Runs Tekton's Tasks and Pipelines as processes of this machine, ordered and ended as Tekton and kubelet do.

Two halves, as there. Tekton: `task` and `pod_manifest` make a pod of a Task, `endings` says what each ending does,
`taskrun` watches over it, `pipelinerun` over many. Kubelet: `pod` and `volumes` run a pod's manifest, `node` is this
machine. Not a cluster: no image is pulled, programs are this machine's, and requests and limits are not enforced.
As root each container has a root, mounts and process ids of its own, and nothing of the Task is rewritten. Otherwise
mount paths are replaced in the texts by directories, and a step could look into another's.
"""

from lab.runner.node import Image, Mount
from lab.runner.outcome import Outcome, Reason, StepOutcome
from lab.runner.pipelinerun import PipelineOutcome, PipelineRunner
from lab.runner.run_spec import Sidecars
from lab.runner.task import TaskError
from lab.runner.taskrun import TaskRun
from lab.runner.taskrunner import TaskRunner

__all__ = [
    "Image",
    "Mount",
    "Outcome",
    "PipelineOutcome",
    "PipelineRunner",
    "Reason",
    "Sidecars",
    "StepOutcome",
    "TaskError",
    "TaskRun",
    "TaskRunner",
]
