"""A verification from a pod: with the token of a LeaseAuditor alone, by leases of its own, which it gives back."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from runlease.config import Settings
from runlease.evidence.edge_leases import LeasingVault, TakenLease
from runlease.evidence.verify.check import NotTried, Verified
from runlease.evidence.verify.edge import Asking, verify
from runlease.readers.api_server import as_pod
from runlease.readers.error import ReadError
from runlease.readers.session import password_variable


def verify_as_auditor(settings: Settings, folder: Path, environment: Mapping[str, str], identity: Path) -> Verified:
    """Ask all servers as the LeaseAuditor whose tokens are in the folder `identity`.

    A database without a lease of the profile auditor is not tried; nothing is where Vault does not let it in.
    """
    vault = LeasingVault(settings, folder)
    try:
        with _asking(vault, environment, identity) as asking:
            verified = verify(asking)
    except ReadError as failed:
        problem, _, fix = str(failed).partition(" Fix: ")
        return Verified(settings.installation, (), (NotTried("Vault", "everything", problem, fix),))
    said = (one.partition(" Fix: ") for one in vault.missing)
    left = tuple(NotTried("Vault", "leases of its own", problem, fix) for problem, _, fix in said)
    return replace(verified, not_tried=(*verified.not_tried, *left))


@contextmanager
def _asking(vault: LeasingVault, environment: Mapping[str, str], identity: Path) -> Iterator[Asking]:
    settings = vault.settings
    with vault.identified("auditor", identity), ExitStack() as opened:
        taken: dict[str, TakenLease] = {}
        for name in settings.auditor.leases if settings.auditor else ():
            if (lease := opened.enter_context(vault.leased(name))) is not None:
                taken[settings.leases[name].database] = lease
        yield Asking(
            settings,
            vault.folder,
            {"VAULT_TOKEN": vault.token, **{password_variable(key): one.password for key, one in taken.items()}},
            {key: one.login for key, one in taken.items()},
            as_pod(identity, environment),
            {key: "no lease of it was taken: access.auditor.leases" for key in settings.databases if key not in taken},
        )
