"""A file of YAML documents: each Task is wrapped, what starts one is looked at, everything else stays as it is."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from runlease.tasks.notices import notices
from runlease.tasks.refusal import Refusal, WrapError
from runlease.tasks.rules import pod_template
from runlease.tasks.wrapping import Wrapping, wrap

Document = dict[str, Any]


def wrap_file(text: str, where: str, wrapping: Wrapping) -> str:
    """The same file with every Task wrapped; comments are lost. `where`: the file's name in messages.

    Raises WrapError with the reasons of all documents: for a Task that cannot be wrapped, for a TaskRun or PipelineRun
    whose pod template would break the promise, and for a file without a Task.
    """
    documents = _documents(text, where)
    refused: list[Refusal] = []
    wrapped = []
    for document in documents:
        try:
            wrapped.append(_handled(document, wrapping))
        except WrapError as error:
            refused += error.refusals
    if not any(document.get("kind") == "Task" for document in documents):
        kinds = ", ".join(str(document.get("kind")) for document in documents) or "nothing"
        refused.append(Refusal(where, "no Task in it", kinds, "kind: Task", "name a file with a Task of its own"))
    if refused:
        raise WrapError(refused)
    return yaml.dump_all(wrapped, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def read_notices(text: str, where: str) -> list[str]:
    """What the file leaves open once it is wrapped, a line for each. Raises WrapError for what is no YAML."""
    return list(notices(_documents(text, where), where))


def one_document(text: str, where: str) -> Document:
    """The one document of a file. Raises WrapError when there is none, or another beside it."""
    documents = _documents(text, where)
    if len(documents) != 1:
        problem = "not one Task"
        raise WrapError([Refusal(where, problem, f"{len(documents)} documents", "one", "put the Task into a file")])
    return documents[0]


def _handled(document: Document, wrapping: Wrapping) -> Document:
    if document.get("kind") == "Task":
        return wrap(document, wrapping)
    if wrong := [refusal for path, template in _templates(document) for refusal in pod_template(path, template)]:
        name = document["metadata"].get("name") if isinstance(document.get("metadata"), dict) else None
        raise WrapError(wrong, f"{document['kind']} {name or ''}".strip())
    return document


def _templates(document: Document) -> Iterator[tuple[str, Document]]:
    """Each pod template of a TaskRun or PipelineRun, and where it is."""
    found: list[tuple[str, Any]] = []
    spec = document.get("spec")
    if isinstance(spec, dict) and document.get("kind") == "TaskRun":
        found = [("spec.podTemplate", spec.get("podTemplate"))]
    elif isinstance(spec, dict) and document.get("kind") == "PipelineRun":
        every, each = spec.get("taskRunTemplate"), spec.get("taskRunSpecs")
        found = [("spec.taskRunTemplate.podTemplate", every.get("podTemplate"))] if isinstance(every, dict) else []
        for place, one in enumerate(each if isinstance(each, list) else []):
            if isinstance(one, dict):
                found.append((f"spec.taskRunSpecs[{place}].podTemplate", one.get("podTemplate")))
    yield from ((path, template) for path, template in found if isinstance(template, dict))


def _documents(text: str, where: str) -> list[Document]:
    try:
        found = [one for one in yaml.load_all(text, Loader=_Loader) if one is not None]
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise WrapError([Refusal(where, "not YAML", said, "YAML documents", "correct it")]) from error
    for one in found:
        if not isinstance(one, dict):
            raise WrapError([Refusal(where, "not an object", type(one).__name__, "a mapping", "see docs/wrap.md")])
    return found


class _Loader(yaml.SafeLoader):
    """Reads scalars as Kubernetes does: no dates, no numbers to the base of 60, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1 and key != "<<"})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key twice: {', '.join(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(rf"(?:{_NUMBERS[tag].pattern})\Z") if tag in _NUMBERS else pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Writes scripts as blocks, and every value where it stands."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as PyYAML calls it
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
