"""A large difference of access: worked out, told in Markdown, and opened and filtered in a browser.

10,000 bindings of 50 roles with 200 grants each, of which ten roles get one privilege more. Each round is a process of
its own: `python -m bench.report [PAGE]` prints one line of JSON, and writes the HTML to PAGE.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import BenchError
from bench.table import Comparison
from runlease.access import (
    Access,
    Binding,
    Duration,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnNamed,
    Privilege,
    Role,
)
from runlease.report.comparison import Comparison as AccessComparison
from runlease.report.html import html
from runlease.report.markdown import markdown

ROLES, GRANTS, BINDINGS, ROUNDS = 50, 200, 10_000, 5
LIMIT_SECONDS, LIMIT_MIB, PAUSE = 1.0, 300.0, 0.1
"""What it may cost; and the longest wait that a person takes for none, in seconds."""
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",
]
MEASURE = """
const opened = performance.now(), times = [];
for (const text of ["p1", "p12", "p123", "", "p9"]) {
  const begun = performance.now();
  document.getElementById("identity").value = text;
  search();
  document.getElementById("rows").getBoundingClientRect();
  times.push(performance.now() - begun);
}
document.title = "opened " + opened + " filtered " + Math.max(...times);
"""


def compare(rounds: int = ROUNDS) -> list[Comparison]:
    """Seconds and MiB beside what they may be; the browser's part only where Chromium is."""
    with tempfile.TemporaryDirectory() as name:
        page = Path(name, "page.html")
        seen = [_round(page) for _ in range(rounds)]
        browser = _browser(page, rounds)
    what = f"{BINDINGS:,} bindings x {GRANTS} grants"
    seconds, memory = (tuple(one[key] for one in seen) for key in ("seconds", "mib"))
    return [
        Comparison(f"{what}: difference and Markdown", "s", seconds, "limit", (LIMIT_SECONDS,), 1.0),
        Comparison(f"{what}: peak memory of the process", "MiB", memory, "limit", (LIMIT_MIB,), 1.0),
        *browser,
    ]


def access(*, more: bool) -> Access:
    """The large one; with `more`, every fifth role may UPDATE one table that it only read."""
    roles = tuple(_role(number, more=more and number % 5 == 0) for number in range(ROLES))
    ten = Duration(600)
    return Access(
        "bench",
        roles=roles,
        leases=tuple(Lease(f"lease-{role.name}", "shop", None, role.name, ten, ten) for role in roles),
        bindings=tuple(
            Binding(Identity("ci", f"p{n}", "https://issuer", "bench"), f"lease-{roles[n % ROLES].name}", f"p{n}", "t")
            for n in range(BINDINGS)
        ),
    )


def _role(number: int, *, more: bool) -> Role:
    name = f"reader{number}"
    grants = tuple(
        Grant(
            (Privilege.SELECT, Privilege.UPDATE) if more and table == 3 else (Privilege.SELECT,),
            OnNamed(ObjectKind.TABLE, "app", (f"table{table}",)),
            name,
        )
        for table in range(GRANTS)
    )
    return Role(name, "shop", None, grants)


def _round(page: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.report", str(page)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"bench.report: it did not end well:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _browser(page: Path, rounds: int) -> list[Comparison]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("the page is not opened: no chromium on PATH", flush=True)
        return []
    # The page's policy lets no other script run, and the measuring one is another.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    page.write_text(text.replace("</body>", f"<script>{MEASURE}</script></body>"))
    opened, filtered = zip(*(_opened(chromium, page) for _ in range(rounds)), strict=True)
    return [
        Comparison("the same as a page: opened and drawn in Chromium", "s", opened, "limit", (LIMIT_SECONDS,), 1.0),
        Comparison("the same as a page: slowest of five searches", "s", filtered, "limit", (PAUSE,), 1.0),
    ]


def _opened(chromium: str, page: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *CHROMIUM, f"--user-data-dir={profile}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"<title>opened ([0-9.]+) filtered ([0-9.]+)", done.stdout)
    if not found:
        raise BenchError(f"bench.report: Chromium measured nothing:\n{done.stderr[-2000:]}")
    return float(found[1]) / 1000, float(found[2]) / 1000


def main(page: Path) -> None:
    """One round."""
    before, after = access(more=False), access(more=True)
    started = time.perf_counter()
    comparison = AccessComparison.of(before, after, ())
    told = markdown(comparison)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if "UPDATE" not in told:
        raise BenchError("bench.report: the difference says nothing (expected UPDATE in it)")
    page.write_text(html(comparison))
    print(json.dumps({"seconds": seconds, "mib": peak}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
