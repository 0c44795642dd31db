"""`python -m lab demo` tells the story and stops everything; `python -m lab run` keeps the lab until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from lab import LabError
from lab.certificates import CertificateAuthority
from lab.folders import lab_folder
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.kubernetes_server import find_apiserver
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from lab.stack import PulumiStack, Servers, apply_without_pulumi, local_settings, on_servers, prepare, pulumi_found
from lab.story import Teller, tell


def main() -> int:
    """Start the servers, deploy the local stack, then tell the story or wait."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("what", choices=["demo", "run"])
    parser.add_argument("--postgres", type=int, help="major version; default: the newest that is installed")
    arguments = parser.parse_args()
    teller = Teller()
    try:
        with lab_folder() as folder, Processes(folder) as processes:
            servers = start(folder, processes, teller, arguments.postgres)
            deploy_local(folder, servers, teller)
            if arguments.what == "demo":
                return 0 if tell(folder, servers, teller) else 1
            keep_running(folder, servers)
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: every server of the lab is gone.")
        return 130 if arguments.what == "demo" else 0
    return 0


def start(folder: Path, processes: Processes, teller: Teller, version: int | None) -> Servers:
    """Start PostgreSQL, OpenBao and, where there is one, an API server."""
    apiserver = find_apiserver()
    if apiserver is None:
        print(
            "No kube-apiserver here. The lab's own small issuer signs tokens with exactly the claims of a pod-bound\n"
            "service-account token; the Kubernetes objects are written as YAML and not applied. For the real one:\n"
            "make kubernetes (once, 5 to 11 minutes)."
        )
    teller.chapter("The servers start, on loopback, with TLS from a CA of the lab's own")
    ca = CertificateAuthority(folder)
    postgres = PostgresServer.start(folder, ca, processes, binaries(version))
    audited = "with pgaudit" if postgres.pgaudit else "without pgaudit"
    teller.say(f"PostgreSQL {postgres.version} on localhost:{postgres.port}: hostssl only, SCRAM, {audited}")
    openbao = OpenBao.start(folder, ca, processes)
    teller.say(f"OpenBao on {openbao.address}: initialised, unsealed, with an audit log")
    kubernetes = Kubernetes.start(folder, ca, processes, apiserver) if apiserver else None
    issuer = kubernetes or LabIssuer()
    where = f"kube-apiserver from {apiserver.found_in}" if apiserver else "the lab's issuer"
    teller.say(f"{where}: {issuer.issuer}")
    return Servers(postgres, openbao, issuer, kubernetes)


def deploy_local(folder: Path, servers: Servers, teller: Teller) -> None:
    """Apply the local stack, and say in which of the two ways."""
    settings = on_servers(local_settings(), servers, folder)
    prepare(settings, servers)
    if pulumi_found() and servers.kubernetes:
        teller.chapter("The stack `local` is deployed: a real `pulumi up` (state in a folder, a passphrase, no login)")
        stack = PulumiStack(folder, servers)
        stack.configure(settings)
        changed = stack.up()
    else:
        teller.chapter("The stack `local` is deployed, without Pulumi's engine")
        teller.say(
            "Each resource that the program registers is created by the lab's own handlers, behind Pulumi's\n"
            "unit-test hook. They keep no state, show no difference and delete nothing; `pulumi up` does."
        )
        changed = apply_without_pulumi(settings, servers, folder)
    teller.held("deployed in one pass from nothing", changed > 0, f"{changed} resources")


def keep_running(folder: Path, servers: Servers) -> None:
    """Print how to connect, and wait for Ctrl-C."""
    postgres, openbao = servers.postgres, servers.openbao
    kubeconfig = servers.kubernetes.kubeconfig if servers.kubernetes else "none"
    environment = folder / "environment"
    environment.write_text(
        f"export PGHOST={postgres.host} PGPORT={postgres.port} PGDATABASE=shop PGUSER={postgres.superuser}\n"
        f"export PGPASSWORD={postgres.password} PGSSLMODE=verify-full PGSSLROOTCERT={postgres.ca}\n"
        f"export VAULT_ADDR={openbao.address} VAULT_CACERT={openbao.ca} VAULT_TOKEN={openbao.root_token}\n"
        f"export BAO_ADDR={openbao.address} BAO_CACERT={openbao.ca} BAO_TOKEN={openbao.root_token}\n"
        f"export KUBECONFIG={kubeconfig}\n"
    )
    environment.chmod(0o600)
    print(
        f"\nThe lab runs until Ctrl-C. In another shell:\n\n  . {environment}\n  psql\n"
        "  bao read shop-local-db/creds/shop-reader\n"
    )
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
