#!/usr/bin/env python3
"""runlease guard: the sidecar that alone holds a pod's service-account token and Vault token.

It logs in to Vault (or OpenBao), takes one database lease, writes what libpq needs into a memory volume, renews
the lease while the steps work, and gives it back. Settings: the RUNLEASE_… variables of `Guard`.
For the steps: ca.pem, pgpass, pg_service.conf, lease.json, the FIFO `line`, then `ready`; or `failed`, one line
that says why; in the end `revoked`, the evidence. From the steps: `release`, and words on `line` (see ENDINGS).
It stays until SIGTERM in every case, and exits 0, or 1 when something may be left.
Python >= 3.9, standard library alone. Tekton substitutes a dollar sign with a parenthesis: write none here.
"""
import base64
import collections
import contextlib
import functools
import http.client
import json
import os
import re
import signal
import ssl
import sys
import time
import urllib.parse
from pathlib import Path

TICK, ANSWER = 0.2, 5.0  # seconds between two looks at files, line and clock; for Vault to go on with an answer
PATIENCE, GRACE = 20.0, 25.0  # seconds to try for a lease; and to give it back: Kubernetes kills 30 s after SIGTERM
RENEW_AT, WARN_AT, END_AT = 2 / 3, 0.8, 0.98  # of a ttl; of max_ttl; of both, so that the guard ends it, not Vault
ENDINGS = {  # by the last word on the line: seconds that no step need hold it, and what their end means
    "failed": (0.0, "line: a step failed"),
    "handover": (60.0, "line: handed over, and no successor came"),
    "": (2.0, "line: hung up without a word"),  # and for any other word
}
KEPT = {  # what Vault has issued and the steps have said, all that a guard started again must know; and as it begins
    "token": "",  # Vault's; kept before the lease is asked for, because all that is issued under it goes with it
    "lease_id": "", "login": "", "password": "", "pod": "",
    "issued": 0.0, "max_ttl": 0.0,  # when, by `clock` as all times here; seconds from then
    "renewed": 0.0, "ttl": 0.0,  # when; seconds from then
    "word": "",  # the last on the line; empty again when a step takes over
    "free_since": -1.0,  # since when no step holds the line; 0 while one does, -1 before the first has
    "evidence": "",  # there as soon as the revocation is proven
}
SECRETS = set()  # what `log` takes out of every message

class GuardError(Exception):
    """What stops the guard, in a line for people. `passing`: worth another try."""

    def __init__(self, where: str, wrong: str, got: object, expected: str, fix: str, passing: bool = False) -> None:
        super().__init__(f"{where}: {wrong} (got {got}, expected {expected}). Fix: {fix}")
        self.passing = passing

# ---- decide: no file, no socket, no clock ----

class Lease(collections.namedtuple("Lease", KEPT, defaults=KEPT.values())):
    """One moment of a lease."""

    def heard(self, words: list, held: bool, now: float) -> "Lease":
        """Return the lease after one look at the line; a successor does not take back that a step has failed."""
        word = words[-1] if words else "" if held and self.free_since > 0 else self.word
        return self._replace(word="failed" if "failed" in (self.word, *words) else word,
                             free_since=0.0 if held else self.free_since or now)

    def next_action(self, asked_by: str, now: float) -> tuple:
        """Decide to `wait`, `warn`, `renew` or `give back`, and say why; raise when the work outlives the lease."""
        seconds, meaning = ENDINGS.get(self.word, ENDINGS[""])
        if asked_by or (now - self.free_since if self.free_since > 0 else 0.0) >= seconds:
            return "give back", asked_by or meaning
        used, end, expires = now - self.issued, self.issued + self.max_ttl * END_AT, self.renewed + self.ttl * END_AT
        outlived = GuardError("lease", "the work outlives it", f"{used:.0f} s", f"less than max_ttl {self.max_ttl:.0f}"
                              " s, and renewals", "raise max_ttl or split the work")
        if not self.issued <= now < min(end, expires):
            raise outlived
        if now >= self.renewed + self.ttl * RENEW_AT and expires < end:
            return "renew", ""
        return ("warn", str(outlived)) if used >= self.max_ttl * WARN_AT else ("wait", "")

    def files(self, database: dict, config: dict, ca: Path) -> dict:
        """Return libpq's passfile, and its service `runlease`, whose settings win over PG… of the environment."""
        place = {key: database[key] for key in ("host", "port", "dbname")}
        fields = [re.sub(r"([:\\])", r"\\\1", str(value)) for value in (*place.values(), self.login, self.password)]
        options = {key: re.sub(r"([\\ ])", r"\\\1", config.get(key) or "") for key in ("role", "search_path")}
        service = {**place, "user": self.login, "application_name": self.pod, "sslmode": database["sslmode"],
                   "sslrootcert": ca if database.get("ca") else "system", "channel_binding": "require",
                   "options": " ".join(f"-c {key}={value}" for key, value in options.items() if value)}
        if service["sslmode"] not in ("verify-full", "verify-ca", database.get("unsafe_sslmode") or "verify-full"):
            raise GuardError("database", "weak sslmode", service["sslmode"], "verify-full", "set it, and the CA")
        if re.search(r"[\x00-\x1f\x7f]", "".join(map(str, [*fields, *service.values()]))):
            raise GuardError("database, lease", "a setting of two lines", "control characters", "none", "correct them")
        lines = [f"{key}={value}\n" for key, value in service.items() if value]
        return {"pgpass": ":".join(fields) + "\n", "pg_service.conf": "[runlease]\n" + "".join(lines)}

def identity(token: str) -> list:
    """Read namespace, service account and pod from a token's payload. Not verified here: Vault verifies."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["kubernetes.io"]
        return [claims["namespace"], claims["serviceaccount"]["name"], claims["pod"]["name"]]
    except (IndexError, ValueError, KeyError, TypeError):
        raise GuardError("token", "no pod's", "another text", "a JWT", "mount a projected token") from None

def judge(where: str, status: int, body: bytes, fix: str) -> dict:
    """Return the document of Vault's answer, or raise what it means."""
    try:
        document = dict(json.loads(body or b"{}"))
    except (ValueError, TypeError):
        document = {"errors": ["no JSON object; is `address` Vault's? redirects are not followed"]}
    if status < 300 and "errors" not in document:
        return document
    got = f"{status}: {'; '.join(map(str, document.get('errors') or ['no reason']))}"
    # Vault answers 400 also when the database could not revoke; a database that is away may come back.
    passing = status >= 500 or status in (412, 429) or "failed to revoke" in got
    raise GuardError(where, "Vault refused", got, "200", fix if status < 500 else "see Vault's own log", passing)

# ---- act: clock, files, Vault, signals ----

def clock() -> float:
    """Return seconds since the node's start: no change of the date moves it, and a guard started again goes on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

def utc(seconds: float = 0.0) -> str:
    """Return the date and time in so many seconds, as 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

def log(message: str) -> str:
    """Say a message on stderr, as one line of at most 2,000 characters without any secret, and return that."""
    for secret in filter(None, SECRETS):
        message = message.replace(secret, "***")
    message = " ".join(message.split())[:2000]
    with contextlib.suppress(OSError):  # a log that is gone does not stop the guard
        print(f"runlease guard: {message}", file=sys.stderr, flush=True)
    return message

def text(path: Path) -> str:
    """Return what a file says; nothing when it is missing."""
    return path.read_text(encoding="utf-8") if path.exists() else ""

def write(path: Path, content: str) -> None:
    """Write a file that appears whole or not at all, for this user alone (0600)."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)

@functools.lru_cache
def trust(ca: str) -> ssl.SSLContext:
    """Return what verifies Vault, by its CA or the system's; made once, for reading the system's takes its time."""
    tls = ssl.create_default_context(cadata=ca or None)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return tls

def patiently(attempt: object, until: float) -> None:
    """Try until it works, is refused for good, or it is `until`; the pauses carry jitter."""
    while True:
        try:
            return attempt()
        except GuardError as error:
            if not error.passing or clock() >= until:
                raise
        time.sleep(0.1 + os.urandom(1)[0] / 283)

class Guard:
    """One lease for one pod, from login to evidence."""

    stopped_at, fifo = 0.0, -1

    def __init__(self, env: dict) -> None:
        self.name = env.get("RUNLEASE_LEASE", "")  # of the lease, e.g. shop-migrator
        self.config = Path(env.get("RUNLEASE_CONFIG", "/runlease/config"))  # vault, lease.<name>, database.<key> .json
        self.jwt = Path(env.get("RUNLEASE_TOKEN", "/runlease/token/token"))  # projected service-account token
        self.shared = Path(env.get("RUNLEASE_SHARED", "/runlease/lease"))  # with the steps, in memory
        self.state = Path(env.get("RUNLEASE_STATE", "/runlease/state"))  # of the guard alone, in memory
        self.pod = Path(env.get("RUNLEASE_POD", "/runlease/pod"))  # `cancel`, an annotation, and `run`, a label

    @functools.cached_property
    def lease(self) -> Lease:
        """What has been kept, by this guard or by one that was killed here."""
        kept = self.state / "lease.json"
        lease = Lease(**json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else Lease()
        SECRETS.update((lease.token, lease.password))
        return lease

    def keep(self, **changes: object) -> None:
        """Keep what is new of the lease: here first, so that it goes back also when the volume is full."""
        self.lease = self.lease._replace(**changes)
        SECRETS.update((self.lease.token, self.lease.password))
        write(self.state / "lease.json", json.dumps(self.lease._asdict()))

    def read(self, name: str) -> dict:
        """Read one JSON file of the configuration."""
        return dict(json.loads((self.config / name).read_text(encoding="utf-8")))

    def ask(self, method: str, path: str, body: object, fix: str) -> dict:
        """Ask Vault once, over verified TLS and with the token so far; http.client knows no proxy and no redirect."""
        vault = self.read("vault.json")
        url, namespace = urllib.parse.urlsplit(vault["address"]), vault.get("namespace") or ""
        headers = {"X-Vault-Request": "true", "X-Vault-Token": self.lease.token, "X-Vault-Namespace": namespace}
        try:
            server = http.client.HTTPSConnection(url.netloc, timeout=ANSWER, context=trust(vault.get("ca") or ""))
            server.request(method, f"{url.path.rstrip('/')}/v1/{path}", json.dumps(body) if body else None, headers)
            answer = server.getresponse()
            return judge(path, answer.status, answer.read(), fix)
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Not passing: a certificate that fails verification, a ValueError; no CA or no TLS, a bare SSLError.
            passing = not isinstance(error, ValueError) and type(error) is not ssl.SSLError
            raise GuardError(path, f"no answer from {url.geturl()}", repr(error), "one over verified TLS",
                             "check `address` and `ca` in vault.json, and the network", passing) from None

    def take(self) -> None:
        """Log in and read a credential. What an earlier try took, perhaps without seeing it, goes with its token."""
        if self.stopped_at:
            raise GuardError("guard", "stopped before it had a lease", "a signal", "a lease first", "run it again")
        self.drop()
        vault, config, jwt = self.read("vault.json"), self.read(f"lease.{self.name}.json"), text(self.jwt).strip()
        SECRETS.add(jwt)
        namespace, account, pod = identity(jwt)
        role = f"{vault['installation']}.{namespace}.{account}"
        fix = f"check the token's audience, namespace, service account and pod against the JWT role {role}"
        auth = self.ask("POST", f"auth/{vault['jwt_mount']}/login", {"role": role, "jwt": jwt}, fix)["auth"]
        self.keep(token=auth["client_token"], pod=pod)
        now, fix = clock(), f"check the policy of {role}, and Vault's server log"
        answer = self.ask("GET", config["creds_path"], None, fix)
        ttl, data = answer["lease_duration"], answer["data"]
        self.keep(lease_id=answer["lease_id"], login=data["username"], password=data["password"], issued=now,
                  renewed=now, ttl=min(ttl, auth["lease_duration"] or ttl), max_ttl=config.get("max_ttl") or ttl)

    def drop(self) -> None:
        """Revoke Vault's token, and with it whatever else was issued under it."""
        if self.lease.token:
            self.ask("PUT", "auth/token/revoke-self", None, "let it expire")
            self.keep(token="", password="")

    def publish(self) -> None:
        """Write the files of the steps; `ready` comes last."""
        lease, config = self.lease, self.read(f"lease.{self.name}.json")
        database, until = self.read(f"database.{config['database']}.json"), utc(lease.renewed + lease.ttl - clock())
        facts = {"lease": self.name, "lease_id": lease.lease_id, "username": lease.login, "pod": lease.pod,
                 "run": text(self.pod / "run").strip(), "role": config.get("role") or "",
                 "ttl": lease.ttl, "max_ttl": lease.max_ttl, "expires": until}
        files = {"ca.pem": database.get("ca") or "", **lease.files(database, config, self.shared / "ca.pem")}
        for name, content in {**files, "lease.json": json.dumps(facts) + "\n"}.items():
            write(self.shared / name, content)
        with contextlib.suppress(FileExistsError):  # of a guard that was killed here: the steps hold it
            os.mkfifo(self.shared / "line", 0o600)
        self.fifo = os.open(self.shared / "line", os.O_RDONLY | os.O_NONBLOCK)
        write(self.shared / "ready", "")
        log(f"lease {self.name}: login {lease.login} until {until}, pod {lease.pod}")

    def renew(self) -> None:
        """Renew token and lease; what fails is said, and tried again after two thirds of the time that is left."""
        lease, now, fix = self.lease, clock(), "check the lease's policy and maximum in Vault"
        ttl = lease.ttl - (now - lease.renewed) / END_AT  # until the same end
        try:
            auth = self.ask("PUT", "auth/token/renew-self", None, fix)["auth"]
            answer = self.ask("PUT", "sys/leases/renew", {"lease_id": lease.lease_id}, fix)
            ttl = min(answer["lease_duration"], auth["lease_duration"] or answer["lease_duration"])
        except GuardError as error:
            log(str(error))
        self.keep(renewed=now, ttl=ttl)

    def watch(self) -> str:
        """Hold the lease until it has to go back; return who asks for it."""
        warned = False
        while True:
            said, held = b"", True
            with contextlib.suppress(BlockingIOError):  # where a step holds the line in silence
                said = os.read(self.fifo, 4096)
                held = said != b""  # the end of the file: no step holds it
            lease = self.lease.heard(said.decode(errors="replace").split(), held, clock())
            if lease != self.lease:
                self.keep(word=lease.word, free_since=lease.free_since)
            asked_by = ("stop signal" if self.stopped_at else "release step" if (self.shared / "release").exists()
                        else "cancel annotation" if text(self.pod / "cancel") else "")
            action, reason = lease.next_action(asked_by, clock())
            if action == "give back":
                return reason
            if action == "renew":
                self.renew()
            if action == "warn" and not warned:
                warned = bool(log(reason))
            time.sleep(TICK)

    def give_back(self, asked_by: str) -> bool:
        """Revoke the lease in sync, then the token, and leave the evidence. Return False when something may be left."""
        asked, evidence, left = utc(), "", ""
        try:
            lease, evidence = self.lease, self.lease.evidence
            if lease.lease_id and not evidence:
                body = {"lease_id": lease.lease_id, "sync": "true"}  # the policy allows this string, not a boolean
                fix = "see Vault's server log for what the database said, and end the login by hand"
                patiently(lambda: self.ask("PUT", "sys/leases/revoke", body, fix), (self.stopped_at or clock()) + GRACE)
                evidence = json.dumps({"lease": self.name, "lease_id": lease.lease_id, "login": lease.login,
                                       "pod": lease.pod, "issued": utc(lease.issued - clock()), "asked": asked,
                                       "asked_by": asked_by[:500], "revoked": utc()})
                self.keep(evidence=evidence)
            self.drop()
        except Exception as error:  # the steps are told, and it is tried once more on SIGTERM
            left = f"something may be left: {error}"
        for name, message in {"revoked": evidence, "failed": left}.items():
            if message:
                self.tell(name, message)
        return not left

    def tell(self, name: str, message: str) -> None:
        """Take the credential from the steps, and say in one line, there and in the log, how it ended."""
        line = log(message)
        try:
            for path in [path for pattern in ("ready", "pg*", ".*.draft") for path in self.shared.glob(pattern)]:
                path.unlink()
            write(self.shared / name, line + "\n")
        except OSError as error:
            log(f"{name}: not written (got {error!r}, expected room). Fix: write nothing else into {self.shared}")

    def run(self) -> int:
        """Serve once, then stay until SIGTERM: a native sidecar that ends by itself is started again."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        if (self.state / "stopped").exists():
            return 0  # started again in place of Tekton's nop image, which nobody stops
        asked_by = ""
        try:
            if not self.lease.lease_id:
                patiently(self.take, clock() + PATIENCE)
            if not self.lease.evidence:
                self.publish()
                asked_by = self.watch()
        except Exception as error:  # whatever goes wrong, the steps are told and the lease goes back
            fault = GuardError("guard", "it stopped", f"{type(error).__name__}: {error}", "no error",
                               "check the lease's name, the ConfigMap and the volumes")
            asked_by = str(error if isinstance(error, GuardError) else fault)
            self.tell("failed", asked_by)
        clean = self.give_back(asked_by)
        while not self.stopped_at:
            time.sleep(TICK)
        clean = clean or self.give_back("stop signal")  # Vault or the database was away: once more
        (self.state / "lease.json").unlink(missing_ok=True)
        write(self.state / "stopped", "")
        return 0 if clean else 1

    def stop(self, *_: object) -> None:
        """Take SIGTERM or SIGINT: the time of the first counts."""
        self.stopped_at = self.stopped_at or clock()

if __name__ == "__main__":
    sys.exit(Guard(os.environ).run())
