"""The shop of examples/, migrated, and TaskRuns of the Tasks against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.folders import private_folder
from lab.runner import Outcome, TaskRunner
from lab.stack import REPOSITORY
from runlease.provision.tekton import read_task
from tests.live.deployment import Deployment, deploy
from tests.live.task_runs import NUMBERS, config_map

SHOP = REPOSITORY / "examples" / "shop"


@dataclass(frozen=True)
class Shop:
    """One installation, whose database holds the shop's schema."""

    site: Deployment
    runner: TaskRunner

    def run(
        self,
        task: str,
        lease: str,
        source: Path | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        output: Path | None = None,
    ) -> Outcome:
        """A TaskRun to its end, under the account of the lease's profile."""
        given: Mapping[str, str | Sequence[str]] = {
            "lease": lease,
            "installation-config": f"runlease-{self.site.installation}",
            "audience": self.site.audience,
            **(params or {}),
        }
        spaces = {"source": source, "output": output}
        return self.runner.start(
            read_task(task),
            service_account=f"run-{lease}",
            name=f"{task}-{next(NUMBERS)}",
            params=given,
            workspaces={name: path for name, path in spaces.items() if path},
        ).settle(60)


@contextmanager
def open_shop(site: Deployment, folder: Path) -> Iterator[Shop]:
    """Deploy, apply the shop's migrations under a lease, and be ready for TaskRuns."""
    deploy(site, folder)
    site.migrate(*[path.read_text() for path in sorted((SHOP / "migrations").glob("*.sql"))])
    maps = {f"runlease-{site.installation}": config_map(site, folder)}
    with TaskRunner(private_folder(folder / f"runs-{site.installation}"), site.issuer, maps) as runner:
        yield Shop(site, runner)
