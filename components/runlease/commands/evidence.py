"""`runlease evidence`: what an auditor keeps of one environment and time, as a folder with a manifest."""

import argparse
import hashlib
import io
import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from runlease.config import ConfigError
from runlease.config.files import read_stack_file
from runlease.evidence.bundle.pieces import Piece, Wanted, left_out, pieces
from runlease.evidence.bundle.told import MANIFEST, README, Made, manifest, readme
from runlease.evidence.exits import exit_code

Run = Callable[[Sequence[str]], int]
"""The command line itself: arguments to exit code."""

_LIBRARIES = ("runlease", "pulumi", "pulumi-kubernetes", "pulumi-postgresql", "pulumi-vault", "psycopg", "pydantic")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", run: Run) -> None:
    """Add the command; `run` answers the commands that the bundle is made of."""
    parser = commands.add_parser("evidence", help="keep what an auditor asks for: a folder with a manifest")
    parser.epilog = (
        "Secrets come from the environment, as for `verify`. docs/evidence.md says what is in it. Exit code: 0 nothing "
        "to mend, 1 the tool failed, 2 wrong settings or arguments, 3 found, 4 partial, 5 both."
    )
    parser.add_argument("stack_file", type=Path, help="for example stacks/Pulumi.prod.yaml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made; it must not be there yet")
    parser.add_argument("--login", help="as for verify")
    parser.add_argument("--cluster", action="store_true", help="verify --kubernetes: kubectl says who asks")
    parser.add_argument("--token", action="append", default=[], metavar="NAMESPACE/ACCOUNT=FILE", help="as for prove")
    parser.add_argument("--mint", action="store_true", help="as for verify --prove")
    logs = parser.add_argument_group("the trace of a period; as for trace")
    for name in ("--postgres-log", "--audit-log", "--api-audit-log"):
        logs.add_argument(name, nargs="+", default=[], metavar="FILE")
    for name in ("--kubernetes", "--tekton-controller", "--log-line-prefix", "--since", "--until"):
        logs.add_argument(name)
    parser.set_defaults(run=lambda given: _evidence(given, run))


def _evidence(given: argparse.Namespace, run: Run) -> int:
    settings, wanted = read_stack_file(given.stack_file), _wanted(given)
    if given.out.exists():
        raise ConfigError([f"{given.out}: is there already (expected no such folder). Fix: name another"])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with _folder(given.out) as draft:
        made = [_made(piece, run, draft) for piece in pieces(wanted)]
        versions = _versions(given.stack_file) | _servers(draft / "verify.json")
        told = readme(f"{settings.installation}, {now}", made, left_out(wanted), versions)
        (draft / README).write_text(told, encoding="utf-8")
        sums = {path.name: _sha256(path) for path in draft.iterdir()}
        (draft / MANIFEST).write_text(manifest(sums), encoding="utf-8")
    for one in made:
        print(f"{one.piece.file}: {one.verdict}")
    partial = bool(left_out(wanted)) or any(one.partial for one in made)
    print(f"{given.out}: {len(sums) + 1} files{', PARTIAL: see its README.md' if partial else ''}")
    return exit_code(found=any(one.found for one in made), partial=partial)


def _wanted(given: argparse.Namespace) -> Wanted:
    tokens = [word for token in given.token for word in ("--token", token)]
    period = [("--since", given.since), ("--until", given.until)]
    if given.postgres_log and not (given.since or given.until):
        raise ConfigError(["evidence: a trace of which period (got no --since and no --until). Fix: name one of them"])
    others = (given.audit_log, given.api_audit_log, given.kubernetes, given.since, given.until)
    if not given.postgres_log and any(others):
        raise ConfigError(["evidence: nothing to trace (expected --postgres-log). Fix: name the logs"])
    single = [("--kubernetes", given.kubernetes), ("--tekton-controller", given.tekton_controller), *period]
    single += [("--log-line-prefix", given.log_line_prefix)]
    logs = [word for name, value in single if value for word in (name, value)]
    logs += ["--postgres-log", *given.postgres_log]
    for name, files in (("--audit-log", given.audit_log), ("--api-audit-log", given.api_audit_log)):
        logs += [name, *files] if files else []
    login = ["--login", given.login] if given.login else []
    return Wanted(
        str(given.stack_file),
        (*login, *(["--kubernetes"] if given.cluster else [])),
        (*tokens, *(["--mint"] if given.mint else [])) if tokens or given.mint else None,
        tuple(logs) if given.postgres_log else None,
    )


def _made(piece: Piece, run: Run, folder: Path) -> Made:
    print(f"{piece.file} …", file=sys.stderr, flush=True)
    path, said = folder / piece.file, io.StringIO()
    with path.open("w", encoding="utf-8") as printed, redirect_stdout(printed), redirect_stderr(said):
        code = _ended(run, piece.arguments)
    made = Made(piece, code, said.getvalue())
    if made.failed:
        path.unlink()
    return made


def _ended(run: Run, arguments: Sequence[str]) -> int:
    try:
        return run(arguments)
    except SystemExit as wrong_arguments:  # argparse has said why
        return int(wrong_arguments.code or 0)


def _versions(stack_file: Path) -> dict[str, str]:
    stack = f"sha256 {_sha256(stack_file)}"
    return {f"`{stack_file}`": stack, "python": platform.python_version(), **{one: version(one) for one in _LIBRARIES}}


def _servers(verified: Path) -> dict[str, str]:
    """Versions as the servers said them; none where the verification has no answer."""
    return dict(json.loads(verified.read_text(encoding="utf-8"))["answered"]) if verified.exists() else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """All or nothing: a bundle that was interrupted is not there."""
    draft = folder.with_name(f".{folder.name}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        yield draft
        draft.rename(folder)
    except OSError as error:
        raise ConfigError([f"{folder}: cannot be written (got {error}). Fix: name another folder"]) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
