"""Hashes of logins, as one audit device of Vault writes them: `sys/audit-hash/<device>`, which changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runlease.readers.error import ReadError
from runlease.readers.https import UnreachableError, send


def hashes_of(logins: Sequence[str], device: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Logins by their hash. Raises ReadError when Vault does not say them."""
    return dict(_asked(logins, device, environ))


def _asked(logins: Sequence[str], device: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    address, ca = environ["VAULT_ADDR"].rstrip("/"), environ.get("VAULT_CACERT")
    if not address.startswith("https://"):
        raise ReadError(f"VAULT_ADDR: is not over TLS (got {address}, expected https://…). Fix: use its TLS address")
    headers = {"X-Vault-Token": environ["VAULT_TOKEN"], "Content-Type": "application/json"}
    if namespace := environ.get("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = namespace
    for login in logins:
        try:
            url = f"{address}/v1/sys/audit-hash/{device}"
            answer = send("POST", url, Path(ca) if ca else None, headers, {"input": login})
        except UnreachableError as failed:
            raise ReadError(f"VAULT_ADDR: {failed.problem}. Fix: {failed.fix}") from failed
        if answer.status != 200:
            raise ReadError(
                f"Vault sys/audit-hash/{device}: is not answered (got {answer.status}, expected a hash). Fix: name the "
                f'device with --audit-device, and let the token have: path "sys/audit-hash/{device}" '
                '{ capabilities = ["update"] }'
            )
        yield str((answer.body.get("data") or answer.body).get("hash", "")), login
