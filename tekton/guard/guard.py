#!/usr/bin/env python3
"""runlease guard: the sidecar that alone holds a pod's service-account token and Vault token.

It logs in to Vault (or OpenBao), takes one database lease, writes what libpq needs into a memory volume, renews
the lease while the steps work, and gives it back. Settings: the RUNLEASE_… variables of `Guard`.
For the steps: ca.pem, pgpass, pg_service.conf, lease.json, the FIFO `line`, then `ready`; or `failed`, one line
that says why; in the end `revoked`, the evidence. From the steps: `release`, and words on `line` (see `Line`).
It stays until SIGTERM in every case, and exits 0, or 1 when a revocation is not proven.
Python >= 3.9, standard library alone. Tekton substitutes a dollar sign with a parenthesis: write none here.
"""
from __future__ import annotations

import base64
import http.client
import json
import os
import random
import re
import select
import signal
import ssl
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional

TICK = 0.2  # seconds between two looks at files, line and clock
PATIENCE, GRACE = 20.0, 25.0  # seconds for a Vault that is away; for giving back: Kubernetes kills 30 s after SIGTERM
HANG_UP, HANDOVER = 2.0, 60.0  # seconds that the line may be free: without a word; for a successor
RENEW_AT, WARN_AT, END_AT = 2 / 3, 0.8, 0.98  # of the ttl; of max_ttl; of max_ttl, before Vault's own end
SECRETS: set[str] = set()  # what `one_line` takes out of every message


class GuardError(Exception):
    """What stops the guard, in a line for people. `passing`: worth another try."""

    def __init__(self, where: str, wrong: str, got: object, expected: str, fix: str, passing: bool = False) -> None:
        super().__init__(f"{where}: {wrong} (got {got}, expected {expected}). Fix: {fix}")
        self.passing = passing


# ---- decide: no file, no socket, no clock ----


class Lease(NamedTuple):
    """What Vault issued to this pod, as RUNLEASE_STATE keeps it. Times are seconds since 1970."""

    name: str
    lease_id: str
    login: str
    password: str
    token: str
    pod: str
    max_ttl: float
    issued: float
    expires: float
    renew_at: float
    warned: bool = False

    def next_action(self, asked_by: str, now: float) -> tuple[str, str]:
        """Decide: `wait`, `warn`, `renew`, `give back` or `fail` (give back, and tell the steps); and the reason."""
        used, end = now - self.issued, self.issued + self.max_ttl * END_AT
        if asked_by:
            return "give back", asked_by
        outlived = GuardError(f"lease {self.name}", "the work outlives the lease", f"{used:.0f} s", f"less than "
                              f"max_ttl {self.max_ttl:.0f} s, and renewals", "raise max_ttl or split the work")
        if now >= min(end, self.expires):
            return "fail", str(outlived)
        if now >= self.renew_at and self.expires < end:
            return "renew", ""
        return ("wait", "") if self.warned or used < self.max_ttl * WARN_AT else ("warn", str(outlived))

    def passfile(self, database: dict[str, Any]) -> str:
        """Return libpq's passfile, one line; colon and backslash are escaped in every field."""
        fields = [need(database, key, "database") for key in ("host", "port", "dbname")]
        return ":".join(re.sub(r"([:\\])", r"\\\1", str(v)) for v in [*fields, self.login, self.password]) + "\n"

    def service_file(self, database: dict[str, Any], config: dict[str, Any], shared: Path) -> str:
        """Return libpq's service file: the service `runlease`, whose settings win over PG… of the environment."""
        options = {key: need(config, key, "lease", "") for key in ("role", "search_path")}
        settings = {key: need(database, key, "database") for key in ("host", "port", "dbname", "sslmode")}
        if settings["sslmode"] not in ("verify-full", "verify-ca", database.get("unsafe_sslmode") or "verify-full"):
            raise GuardError("database", "weak sslmode", settings["sslmode"], "verify-full", "set it, and the CA")
        settings.update(user=self.login, application_name=self.pod or self.name,
                        sslrootcert=shared / "ca.pem" if database.get("ca") else "system", channel_binding="require")
        settings["options"] = " ".join(f"-c {k}=" + re.sub(r"([\\ ])", r"\\\1", v) for k, v in options.items() if v)
        return "[runlease]\n" + "".join(f"{key}={value}\n" for key, value in settings.items() if value)


class Line(NamedTuple):
    """The dead-man line, a FIFO that the kernel hangs up however a step dies.

    word: the last one said: `handover`, `failed`, or any other, which is no farewell.
    free_since: since when nobody holds it; None while a step does, and before the first step has.
    """

    word: str = ""
    free_since: Optional[float] = None

    def after(self, held: bool, words: list[str], now: float) -> Line:
        """Return the line after one look at it."""
        taken_up = held and self.free_since is not None
        word = words[-1] if words else "" if taken_up else self.word
        word = "failed" if "failed" in (self.word, *words) else word  # a step that comes after it takes nothing back
        return Line(word, None if held else self.free_since or now)

    def who_asks(self, stopped: bool, release: bool, cancel: bool, now: float) -> str:
        """Say who wants the lease back, on this line or otherwise; empty: nobody."""
        free = now - (self.free_since or now)
        wishes = {
            "stop signal": stopped,
            "release step": release,
            "cancel annotation": cancel,
            "line: a step failed": self.word == "failed",
            "line: handed over, and no successor came": self.word == "handover" and free >= HANDOVER,
            "line: hung up without a word": self.word != "handover" and free >= HANG_UP,
        }
        return next((reason for reason, asked in wishes.items() if asked), "")


def need(document: Any, key: str, where: str, default: Any = None) -> Any:
    """Return document[key]; raise GuardError when it is missing, or would begin a line of its own in a file."""
    value = document.get(key, default) if isinstance(document, dict) else None
    if value is None or re.search(r"[\x00-\x1f\x7f]", str(value)):
        raise GuardError(where, f"no good {key!r}", "nothing or control characters", "one line", "deploy it again")
    return value


def identity(token: str) -> tuple[str, str, str]:
    """Read namespace, service account and pod from a token's payload. Not verified here: Vault verifies."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        namespace, account = re.findall(r"\Asystem:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)\Z", claims["sub"])[0]
        return namespace, account, need(claims.get("kubernetes.io", {}).get("pod", {}), "name", "token", "")
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        raise GuardError("token", "no service account's", "another text", "a JWT", "mount a projected one") from None


def judge(where: str, status: int, body: bytes, fix: str) -> dict[str, Any]:
    """Return the document of Vault's answer, or raise what it means."""
    # Vault answers 400 also when the database could not revoke; a database that is away may come back.
    passing = status >= 500 or status in (412, 429) or b"failed to revoke" in body
    try:
        document = dict(json.loads(body or b"{}"))
    except (ValueError, TypeError):
        got, fix = f"status {status} without a JSON object", "check `address`; redirects are not followed"
        raise GuardError(where, "not an answer of Vault", got, "JSON", fix, passing) from None
    if status >= 300:
        got = f"{status}: {'; '.join(map(str, document.get('errors') or ['no reason']))}"
        raise GuardError(where, "Vault refused", got, "200", fix if status < 500 else "see Vault's own log", passing)
    return document


def one_line(text: str) -> str:
    """Return `text` as one line of at most 2,000 characters, without any secret that the guard holds."""
    for secret in filter(None, SECRETS):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:2000]


# ---- act: Vault, files, signals ----


def write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, for this user alone (0600)."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def log(text: str) -> None:
    """Say one line on stderr."""
    print(f"runlease guard: {one_line(text)}", file=sys.stderr, flush=True)


def utc(seconds: float) -> str:
    """Return a time as 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def request(vault: dict[str, Any], method: str, path: str, body: Any, token: str, timeout: float) -> tuple[int, bytes]:
    """Send one request over verified TLS; http.client knows no proxy and follows no redirect."""
    url = urllib.parse.urlsplit(need(vault, "address", "vault.json"))
    if url.scheme != "https" and not (url.scheme == "http" and vault.get("unsafe_http") is True):
        raise GuardError("vault.json", "an `address` without TLS", url.geturl(), "https://…", "correct it")
    headers = {"X-Vault-Request": "true", "X-Vault-Token": token, "X-Vault-Namespace": vault.get("namespace")}
    try:
        tls = ssl.create_default_context(cadata=vault.get("ca") or None)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        server = (http.client.HTTPSConnection(url.netloc, timeout=timeout, context=tls) if url.scheme == "https"
                  else http.client.HTTPConnection(url.netloc, timeout=timeout))
        server.request(method, f"{url.path.rstrip('/')}/v1/{path}", json.dumps(body) if body else None,
                       {name: value for name, value in headers.items() if value})
        answer = server.getresponse()
        return answer.status, answer.read(1 << 20)
    except (OSError, ValueError, http.client.HTTPException) as error:
        passing = not isinstance(error, ValueError)  # a certificate that fails verification is a ValueError, too
        raise GuardError(path, f"no answer from {url.geturl()}", repr(error), "one over verified TLS",
                         "check `address` and `ca` in vault.json, and the network", passing) from None


class Guard:
    """One lease for one pod, from login to evidence."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.name = env.get("RUNLEASE_LEASE", "")  # of the lease, e.g. shop-migrator
        self.config = Path(env.get("RUNLEASE_CONFIG", "/runlease/config"))  # vault, lease.<name>, database.<key> .json
        self.jwt = Path(env.get("RUNLEASE_TOKEN", "/runlease/token/token"))  # projected service-account token
        self.shared = Path(env.get("RUNLEASE_SHARED", "/runlease/lease"))  # with the steps, in memory
        self.state = Path(env.get("RUNLEASE_STATE", "/runlease/state"))  # of the guard alone, in memory
        self.pod = Path(env.get("RUNLEASE_POD", "/runlease/pod"))  # `cancel`, an annotation, and `run`, a label
        self.stopped_at, self.fifo = 0.0, -1

    def read(self, name: str) -> dict[str, Any]:
        """Read one JSON file of the configuration."""
        return dict(json.loads((self.config / name).read_text(encoding="utf-8")))

    def of_pod(self, name: str) -> str:
        """Read what the pod says of itself: `cancel` (annotation tekton.dev/cancel), `run` (tekton.dev/pipelineRun).

        Whoever makes the TaskRun may write both: they are for people, and for ending early; nothing trusts them.
        """
        return one_line((self.pod / name).read_text(errors="replace")) if (self.pod / name).exists() else ""

    def ask(self, method: str, path: str, body: Any, token: str, fix: str, until: float) -> dict[str, Any]:
        """Ask Vault until it answers, refuses for good, or it is `until`; pauses carry jitter."""
        vault, pause = self.read("vault.json"), 0.2
        while True:
            try:
                left = max(1.0, min(10.0, until - time.time()))
                return judge(path, *request(vault, method, path, body, token, left), fix)
            except GuardError as error:
                if not error.passing or time.time() + pause >= until:
                    raise
            time.sleep(pause * random.SystemRandom().uniform(0.5, 1.5))
            pause = min(pause * 2, 3.0)

    def keep(self, lease: Lease) -> Lease:
        """Save the lease for a guard that is started again after a kill: it never takes a second."""
        SECRETS.update((lease.token, lease.password))
        write(self.state / "lease.json", json.dumps(lease._asdict()))
        return lease

    def take(self) -> Lease:
        """Go on with the lease of a guard that was killed here; otherwise log in and read a credential."""
        if (self.state / "lease.json").exists():
            return self.keep(Lease(**json.loads((self.state / "lease.json").read_text(encoding="utf-8"))))
        vault, config = self.read("vault.json"), self.read(f"lease.{self.name}.json")
        jwt, until = self.jwt.read_text(encoding="utf-8").strip(), time.time() + PATIENCE
        SECRETS.add(jwt)
        namespace, account, pod = identity(jwt)
        role = f"{need(vault, 'installation', 'vault.json')}.{namespace}.{account}"
        login, path = f"auth/{need(vault, 'jwt_mount', 'vault.json')}/login", need(config, "creds_path", "lease")
        fix = f"check the token's audience, namespace, service account and pod against the JWT role {role}"
        answer = self.ask("POST", login, {"role": role, "jwt": jwt}, "", fix, until)
        token, now = need(need(answer, "auth", login), "client_token", login), time.time()
        SECRETS.add(token)
        try:
            answer = self.ask("GET", path, None, token, f"check the policy of {role}, and Vault's server log", until)
            data, ttl = need(answer, "data", path), need(answer, "lease_duration", path)
            return self.keep(Lease(
                name=self.name, lease_id=need(answer, "lease_id", path), login=need(data, "username", path),
                password=need(data, "password", path), token=token, pod=pod, issued=now,
                max_ttl=config.get("max_ttl") or ttl, expires=now + ttl, renew_at=now + ttl * RENEW_AT))
        except Exception:  # the token must not stay behind, whatever went wrong
            self.drop(token)
            raise

    def drop(self, token: str) -> None:
        """Revoke the Vault token; whatever it still leases goes with it, though later."""
        try:
            self.ask("PUT", "auth/token/revoke-self", None, token, "let it expire", time.time() + 2)
        except GuardError as error:
            log(str(error))

    def publish(self, lease: Lease) -> None:
        """Write the files of the steps; `ready` comes last."""
        config = self.read(f"lease.{lease.name}.json")
        database = self.read(f"database.{need(config, 'database', 'lease')}.json")
        facts = {"lease": lease.name, "lease_id": lease.lease_id, "username": lease.login, "pod": lease.pod,
                 "run": self.of_pod("run"), "role": config.get("role") or "", "max_ttl": lease.max_ttl,
                 "ttl": round(lease.expires - lease.issued), "expires": utc(lease.expires)}
        write(self.shared / "ca.pem", database.get("ca") or "")
        write(self.shared / "pgpass", lease.passfile(database))
        write(self.shared / "pg_service.conf", lease.service_file(database, config, self.shared))
        write(self.shared / "lease.json", json.dumps(facts) + "\n")
        if not (self.shared / "line").exists():
            os.mkfifo(self.shared / "line", 0o600)
        self.fifo = os.open(self.shared / "line", os.O_RDONLY | os.O_NONBLOCK)
        write(self.shared / "ready", "")
        log(f"lease {lease.name}: login {lease.login} until {utc(lease.expires)}, pod {lease.pod or 'unknown'}")

    def hear(self, line: Line) -> Line:
        """Look at the FIFO: what was said, and whether a step holds it."""
        poll = select.poll()
        poll.register(self.fifo, select.POLLIN)
        hung_up = any(event & select.POLLHUP for _, event in poll.poll(0))
        try:
            said = os.read(self.fifo, 4096)
        except BlockingIOError:
            said, hung_up = b" ", False  # a step holds it, and says nothing
        if not said and not hung_up:
            return line  # nobody has opened it since the guard did
        heard = line.after(not hung_up, said.decode(errors="replace").split(), time.time())
        if heard != line:
            write(self.state / "line", heard.word)
        return heard

    def renew(self, lease: Lease) -> Lease:
        """Renew token and lease; what fails is logged, and tried again after a tenth of the time that is left."""
        now, fix = time.time(), "check the lease's policy and maximum in Vault"
        path, body = "sys/leases/renew", {"lease_id": lease.lease_id}
        try:
            self.ask("PUT", "auth/token/renew-self", None, lease.token, fix, now + 5)
            ttl = need(self.ask("PUT", path, body, lease.token, fix, now + 5), "lease_duration", path)
        except GuardError as error:
            log(str(error))
            return self.keep(lease._replace(renew_at=now + max(1.0, (lease.expires - now) / 10)))
        return self.keep(lease._replace(expires=now + ttl, renew_at=now + ttl * RENEW_AT))

    def watch(self, lease: Lease) -> str:
        """Hold the lease until it has to go back; return who asks for it."""
        spoken = self.state / "line"  # there when a guard before this one has heard a step
        line = Line(spoken.read_text(encoding="utf-8"), time.time()) if spoken.exists() else Line()
        while True:
            line, now = self.hear(line), time.time()
            stopped, released = self.stopped_at > 0, (self.shared / "release").exists()
            asked_by = line.who_asks(stopped, released, self.of_pod("cancel") != "", now)
            action, reason = lease.next_action(asked_by, now)
            if action == "fail":
                self.tell("failed", reason)
            if action in ("fail", "give back"):
                return asked_by or "end of the lease"
            if action == "renew":
                lease = self.renew(lease)
            if action == "warn":
                log(reason)
                lease = self.keep(lease._replace(warned=True))
            time.sleep(TICK)

    def give_back(self, lease: Lease, asked_by: str) -> bool:
        """Revoke the lease, then the token; wipe the credential; leave the evidence, or say that there is none."""
        evidence = {"lease": lease.name, "lease_id": lease.lease_id, "login": lease.login, "pod": lease.pod,
                    "issued": utc(lease.issued), "asked": utc(time.time()), "asked_by": asked_by}
        body = {"lease_id": lease.lease_id, "sync": "true"}  # the policy allows this string, not a boolean
        fix = "see Vault's server log for what the database said, and end the login by hand"
        try:
            self.ask("PUT", "sys/leases/revoke", body, lease.token, fix, (self.stopped_at or time.time()) + GRACE)
            write(self.state / "done", "")
            evidence["revoked"] = utc(time.time())
        except GuardError as error:
            self.tell("failed", f"the revocation is not proven: {error}")
        self.drop(lease.token)
        for name in ("ready", "pgpass", "pg_service.conf"):
            (self.shared / name).unlink(missing_ok=True)
        if "revoked" in evidence:
            (self.state / "lease.json").unlink(missing_ok=True)
            self.tell("revoked", json.dumps(evidence))
        return "revoked" in evidence

    def tell(self, name: str, text: str) -> None:
        """Write one line for the steps and the log; a step that has filled the volume does not stop the guard."""
        log(f"{name}: {text}")
        try:
            write(self.shared / name, one_line(text) + "\n")
        except OSError as error:
            log(f"{name}: not written (got {error!r}, expected room). Fix: write nothing else into {self.shared}")

    def serve(self) -> bool:
        """Take, hold and give back one lease; return False when it may be left."""
        lease, asked_by = None, "the guard's own failure"
        try:
            lease = self.take()
            self.publish(lease)
            asked_by = self.watch(lease)
        except Exception as error:  # whatever goes wrong, the steps are told and the lease goes back
            fault = GuardError("guard", "it stopped", error, "no error", "check lease name, ConfigMap and volumes")
            self.tell("failed", str(error if isinstance(error, GuardError) else fault))
        return lease is None or self.give_back(lease, asked_by)

    def run(self) -> int:
        """Serve once, then stay until SIGTERM: a native sidecar that ends by itself is started again."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        if (self.state / "stopped").exists():
            return 0  # started again in place of Tekton's nop image, which nobody stops
        proven = (self.state / "done").exists() or self.serve()
        if proven:
            write(self.state / "done", "")
        again = not proven and not self.stopped_at  # Vault or the database was away: once more at the end
        while not self.stopped_at:
            time.sleep(TICK)
        proven = self.give_back(self.take(), "stop signal") if again else proven
        write(self.state / "stopped", "")
        return 0 if proven else 1

    def stop(self, *_: object) -> None:
        """Take SIGTERM or SIGINT: the time of the first counts."""
        self.stopped_at = self.stopped_at or time.time()


if __name__ == "__main__":
    sys.exit(Guard(os.environ).run())
