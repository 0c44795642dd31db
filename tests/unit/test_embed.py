"""What carries shared parts and scripts into the Tasks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runlease.provision.tekton import TASKS
from tests.unit.task_documents import TEKTON, steps


def embed(*arguments: str, root: Path = TEKTON) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, root / "embed.py", *arguments], capture_output=True, text=True, check=False)


def test_the_tasks_are_in_step_with_their_files() -> None:
    checked = embed("--check")
    assert checked.returncode == 0, checked.stderr


def test_every_task_of_the_catalogue_is_installed() -> None:
    paths = {(path.parent.parent.name, path.parent.name) for path in TEKTON.glob("task/*/*/*.yaml")}
    assert paths == set(TASKS.items())


@pytest.mark.parametrize(
    "path", ["guard/guard.py", "steps/lease.sh", "fragments/params.yaml", "task/postgres-migrate/0.1/steps/migrate.sh"]
)
def test_an_edited_file_is_found_and_embed_writes_it(path: str, tmp_path: Path) -> None:
    root = tmp_path / "tekton"
    shutil.copytree(TEKTON, root)
    task = root / "task" / "postgres-migrate" / "0.1" / "postgres-migrate.yaml"
    source = root / path
    source.write_text(source.read_text() + "\n\n# the end\n")
    before = task.read_text()
    checked = embed("--check", root=root)
    assert (checked.returncode, task.read_text()) == (1, before)
    assert "Fix: python tekton/embed.py" in checked.stderr
    assert embed(root=root).returncode == 0
    assert embed("--check", root=root).returncode == 0
    assert "# the end" in task.read_text()
    source.write_text((TEKTON / path).read_text())
    assert embed(root=root).returncode == 0
    assert task.read_text() == before


def test_a_script_is_its_file_with_the_mark_and_what_it_includes() -> None:
    (step,) = [step for step in steps("postgres-migrate") if step["name"] == "migrate"]
    source = (TEKTON / "task" / "postgres-migrate" / "0.1" / "steps" / "migrate.sh").read_text()
    mark = "# embedded from task/postgres-migrate/0.1/steps/migrate.sh by tekton/embed.py\n"
    expected = source.replace("#!/bin/sh\n", f"#!/bin/sh\n{mark}", 1)
    for included in ("steps/lease.sh", "steps/sql.sh"):
        text = (TEKTON / included).read_text().removeprefix("#!/bin/sh\n")
        expected = expected.replace(f"# include {included}\n", text)
    assert step["script"] == expected
    assert "# include" not in step["script"]
