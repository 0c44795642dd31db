"""What a wrapped file leaves open: no reason to refuse it, and not for silence either. Pure."""

from collections.abc import Iterator
from typing import Any

from runlease.access.rules.rl033_image_tag import is_fixed

Document = dict[str, Any]


def notices(documents: list[Document], where: str) -> Iterator[str]:
    """A line for each taskSpec that has no lease, and for each image of a Task that may be another one tomorrow."""
    for document in documents:
        named = document.get("metadata") or {}
        name = f"{where}: {document.get('kind')} {named.get('name') or named.get('generateName') or ''}".rstrip()
        if document.get("kind") == "Task":
            yield from _images(name, document["spec"])
        elif str(document.get("apiVersion")).startswith("tekton.dev/"):
            for path in _embedded(document.get("spec"), "spec"):
                yield f"{name}: {path}: is not wrapped, and has no lease. Fix: make it a Task, if it needs one"


def _images(name: str, spec: Document) -> Iterator[str]:
    for kind in ("steps", "sidecars"):
        for place, container in enumerate(spec.get(kind) or []):
            image = container.get("image") or ""
            if image and "$(" not in image and not is_fixed(image):
                yield (
                    f"{name}: spec.{kind}[{place}].image: changes, and runs where the lease is (got {image}, "
                    "expected a tag that is not latest, or a digest). Fix: write the digest"
                )


def _embedded(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "taskSpec" and isinstance(one, dict) and "steps" in one:
                yield f"{path}.taskSpec"
            else:
                yield from _embedded(one, f"{path}.{key}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _embedded(one, f"{path}[{place}]")
