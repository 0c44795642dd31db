"""Runs Tekton's Tasks and Pipelines as processes of this machine, ordered and ended as Tekton and kubelet do.

Not a cluster: no image is pulled, programs are this machine's, and requests and limits are not enforced. As root each
container has a root of its own with its own mounts, as in a pod, and nothing of the Task is rewritten. Without root,
mount paths are replaced in the texts by directories, and a step could look into another's.
"""

from lab.runner.outcome import Outcome, Reason, StepOutcome
from lab.runner.pipelinerun import PipelineOutcome, PipelineRunner
from lab.runner.task import TaskError
from lab.runner.taskrun import Sidecars, TaskRun, TaskRunner

__all__ = [
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
