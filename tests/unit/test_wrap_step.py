"""A wrapped step as a process: whose child the user's program is, what it is told, and what the guard hears."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from runlease.tasks import step_script
from tests.unit.wrapped_tasks import edited, wrapped

SERVICE = """\
[runlease]
host=db.internal
port=5432
dbname=shop é&?
sslmode=verify-full
user=run_shop_x
application_name=pod-1
sslrootcert=/runlease/lease/ca.pem
channel_binding=require
options=-c role=shop\\ owner -c search_path="$user",public
"""
SECRET = "hunter2"


class Step:
    """The wrapped step `migrate` with a shared directory as the guard leaves it, and the guard's end of the line."""

    def __init__(self, folder: Path) -> None:
        self.shared = folder / "lease"
        self.shared.mkdir()
        (self.shared / "pg_service.conf").write_text(SERVICE)
        (self.shared / "pgpass").write_text(SECRET)
        (self.shared / "ready").touch()
        os.mkfifo(self.shared / "line")
        self._folder, self._line = folder, os.open(self.shared / "line", os.O_RDONLY | os.O_NONBLOCK)

    def start(self, *connections: str, shell: str = "", **step: Any) -> subprocess.Popen[str]:
        """Start it as Tekton would: the script as a file, its arguments; no environment but PATH and the step's own.

        shell: what /bin/sh is in the image; this machine's by default.
        """
        task = edited(lambda spec: spec.update(steps=[{"name": "migrate", **step}]))
        made = wrapped(*connections, task=task)["steps"][1]
        script = self._folder / "script-1"
        script.write_text(made["script"])
        script.chmod(0o700)
        args = [arg.replace("/runlease/lease", str(self.shared)) for arg in made["args"]]
        environment = {one["name"]: one["value"] for one in made.get("env", [])}
        return subprocess.Popen(
            [*shell.split(), script, *args],
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *connections: str, **step: Any) -> tuple[int, str]:
        """Run it to its end: exit code and output."""
        process = self.start(*connections, **step)
        out, error = process.communicate(timeout=30)
        assert SECRET not in out + error
        return process.returncode, out + error

    def heard(self) -> list[str]:
        """What was said on the line; the line is free."""
        said = os.read(self._line, 4096).decode().split()
        assert os.read(self._line, 1) == b""
        return said

    def close(self) -> None:
        os.close(self._line)


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Step]:
    made = Step(tmp_path)
    yield made
    made.close()


SCRIPTS = {
    "no shebang": "echo done $1",
    "sh": "#!/bin/sh\necho done $1",
    "bash": '#!/bin/bash -e\n[[ -n $1 ]] && echo "done $1"',
    "env": '#!/usr/bin/env bash\necho "done $1"',
    "python": "#!/usr/bin/env python3\nimport sys\nprint('done', sys.argv[1])",
    "exec": '#!/bin/sh\nexec echo done "$1"',
    "trap": "#!/bin/sh\ntrap 'echo done '$1 EXIT\nset -u",
    "below the mark": "#!/bin/sh\ncat <<'X'\n# runlease wrap: the script of the step\nX\necho done $1",
    "long": f"#!/bin/sh\n{'# filler, because a pipe holds 65,536 bytes' * 3000}\necho done $1",
    "no newline, backslashes": "#!/bin/sh\nprintf 'done %s\\n' $1",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_runs_under_its_own_interpreter_and_hands_over(step: Step, script: str) -> None:
    code, output = step.run(script=script, args=["one"])
    assert (code, output.splitlines()[-1]) == (0, "done one")
    assert step.heard() == ["migrate", "handover"]


@pytest.mark.parametrize("shell", ["bash --posix", "dash", "busybox sh"])
def test_our_lines_run_in_every_image_s_shell(step: Step, shell: str) -> None:
    if shutil.which(shell.split()[0]) is None:
        pytest.fail(f"tests/unit: no {shell.split()[0]} on PATH. Fix: apt-get install {shell.split()[0]}")
    script = SCRIPTS["below the mark"] + '\necho "$DATABASE_URL"\nexit 3'
    code, output = step.run("libpq-url", "jdbc-url", "variables", shell=shell, script=script, args=["one"])
    *_, done, url = output.splitlines()
    assert (code, done) == (3, "done one")
    assert parse_qs(urlsplit(url).query)["options"] == ['-c role=shop\\ owner -c search_path="$user",public']
    assert step.heard() == ["migrate", "failed"]


def test_shellcheck_finds_nothing_in_our_lines() -> None:
    command = ["shellcheck", "--shell=sh", "-"]
    checked = subprocess.run(command, input=step_script("wrapped"), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("words", [(["echo"], ["two words", "$HOME", "*"]), (["echo", "two words"], ["$HOME", "*"])])
def test_a_command_runs_with_its_arguments_as_they_are(step: Step, words: tuple[list[str], list[str]]) -> None:
    assert step.run(command=words[0], args=words[1]) == (0, "two words $HOME *\n")
    assert step.heard() == ["migrate", "handover"]


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"script": "exit 7"}, 7),
        ({"script": "false; echo never"}, 1),
        ({"command": ["sh", "-c", "exit 5"]}, 5),
        ({"command": ["/no/such/program"]}, 127),
        ({"script": "#!/no/such/interpreter\n"}, 127),
        ({"script": "kill -KILL $$"}, 137),
    ],
)
def test_a_step_that_fails_says_so_and_keeps_its_exit_code(step: Step, own: dict[str, Any], code: int) -> None:
    ended, output = step.run(**own)
    assert ended == code
    assert "never" not in output
    assert step.heard() == ["migrate", "failed"]


def test_sigterm_reaches_the_steps_own_trap_first(step: Step) -> None:
    script = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    process = step.start(script=script)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, "tidied\n")
    assert step.heard() == ["migrate", "failed"]


def test_a_killed_step_lets_go_of_the_line_though_its_child_lives(step: Step) -> None:
    process = step.start(command=["sh", "-c", "echo ready; exec sleep 30"])
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    try:
        assert step.heard() == ["migrate"]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_step_ends_at_once_with_the_guards_reason(step: Step) -> None:
    (step.shared / "ready").unlink()
    (step.shared / "failed").write_text("login: Vault refused (got 403)\n")
    code, output = step.run(script="echo never")
    assert (code, output) == (1, "migrate: login: Vault refused (got 403)\n")


def test_a_step_waits_for_the_lease(step: Step) -> None:
    (step.shared / "ready").unlink()
    process = step.start(script="echo done")
    time.sleep(0.5)
    assert process.poll() is None
    (step.shared / "ready").touch()
    assert process.communicate(timeout=30)[0] == "done\n"


def test_a_steps_own_environment_is_not_touched(step: Step) -> None:
    own = {"host": "h", "line": "l", "value": "v", "mark": "m", "below": "b", "status": "s", "word": "w", "STEP": "S"}
    env = [{"name": name, "value": value} for name, value in own.items()]
    _, output = step.run("service", "libpq-url", "jdbc-url", "variables", command=["env"], env=env)
    told = dict(line.split("=", 1) for line in output.splitlines())
    assert {name: told[name] for name in own} == own


# --- the connection


def environment(step: Step, *connections: str) -> dict[str, str]:
    code, output = step.run(*connections, command=["env"])
    assert code == 0, output
    told = dict(line.split("=", 1) for line in output.splitlines())
    return {name: value for name, value in told.items() if name.startswith(("PG", "DATABASE", "JDBC", "FLYWAY"))}


def test_by_default_a_step_has_libpqs_service(step: Step) -> None:
    assert environment(step) == {
        "PGSERVICE": "runlease",
        "PGSERVICEFILE": f"{step.shared}/pg_service.conf",
        "PGPASSFILE": f"{step.shared}/pgpass",
        "PGCLIENTENCODING": "UTF8",
    }


def test_variables_say_what_the_service_file_says(step: Step) -> None:
    assert environment(step, "variables") == {
        "PGHOST": "db.internal",
        "PGPORT": "5432",
        "PGDATABASE": "shop é&?",
        "PGUSER": "run_shop_x",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/runlease/lease/ca.pem",
        "PGCHANNELBINDING": "require",
        "PGAPPNAME": "pod-1",
        "PGOPTIONS": '-c role=shop\\ owner -c search_path="$user",public',
        "PGPASSFILE": f"{step.shared}/pgpass",
        "PGCLIENTENCODING": "UTF8",
    }


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_url_says_what_the_service_file_says_but_for_the_password(step: Step, locale: str) -> None:
    code, output = step.run(
        "libpq-url", command=["sh", "-c", 'echo "$DATABASE_URL"'], env=[{"name": "LC_ALL", "value": locale}]
    )
    url = urlsplit(output.strip())
    assert (code, url.scheme, url.netloc, unquote(url.path)) == (
        0,
        "postgresql",
        "run_shop_x@db.internal:5432",
        "/shop é&?",
    )
    assert {key: value for key, (value,) in parse_qs(url.query, strict_parsing=True).items()} == {
        "sslmode": "verify-full",
        "sslrootcert": "/runlease/lease/ca.pem",
        "application_name": "pod-1",
        "options": '-c role=shop\\ owner -c search_path="$user",public',
    }


def test_a_url_takes_the_place_of_the_service_unless_both_are_wanted(step: Step) -> None:
    alone = environment(step, "libpq-url=FLYWAY_URL")
    assert alone.keys() == {"FLYWAY_URL", "PGPASSFILE", "PGCLIENTENCODING", "PGCHANNELBINDING"}
    step.heard()
    assert environment(step, "service", "jdbc-url").keys() >= {"PGSERVICE", "PGSERVICEFILE", "JDBC_URL"}


def test_a_jdbc_url_has_pgjdbcs_names(step: Step) -> None:
    url = urlsplit(environment(step, "jdbc-url")["JDBC_URL"].removeprefix("jdbc:"))
    assert (url.netloc, unquote(url.path)) == ("db.internal:5432", "/shop é&?")
    assert {key: value for key, (value,) in parse_qs(url.query, strict_parsing=True).items()} == {
        "user": "run_shop_x",
        "sslmode": "verify-full",
        "sslrootcert": "/runlease/lease/ca.pem",
        "channelBinding": "require",
        "ApplicationName": "pod-1",
        "options": '-c role=shop\\ owner -c search_path="$user",public',
    }


def test_the_systems_certificates_are_javas_own(step: Step) -> None:
    conf = step.shared / "pg_service.conf"
    conf.write_text(SERVICE.replace("/runlease/lease/ca.pem", "system").replace("options=", "unknown="))
    query = parse_qs(urlsplit(environment(step, "jdbc-url")["JDBC_URL"].removeprefix("jdbc:")).query)
    assert query["sslfactory"] == ["org.postgresql.ssl.DefaultJavaSSLFactory"]
    assert not query.keys() & {"sslrootcert", "options"}
