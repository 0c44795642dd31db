"""Tekton Tasks as documents: those of `tekton/`, and anyone's with the guard put round it. Knows no Pulumi."""

from runlease.tasks.catalogue import TASKS, for_installation, read_task, step_script, task_file
from runlease.tasks.documents import one_document, read_notices, wrap_file
from runlease.tasks.refusal import Refusal, WrapError
from runlease.tasks.wrapping import FORMS, UID, Connection, Wrapping, wrap

__all__ = [
    "FORMS",
    "TASKS",
    "UID",
    "Connection",
    "Refusal",
    "WrapError",
    "Wrapping",
    "for_installation",
    "one_document",
    "read_notices",
    "read_task",
    "step_script",
    "task_file",
    "wrap",
    "wrap_file",
]
