"""pulumi-vault's resources as requests to Vault's API, as its provider sends them."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any

from lab import LabError
from lab.https import HttpsClient

Inputs = Mapping[str, Any]
Request = tuple[str, str, dict[str, Any]]
"""Method, path under /v1/, body."""


def apply(token: str, inputs: Inputs, provider: Inputs) -> None:
    """Create one resource. Raises lab.https.RefusedError when Vault refuses, LabError for a type without a handler."""
    if token not in _REQUESTS:
        raise LabError(f"lab.apply.vault: no handler (got {token}). Fix: write one, or use a pulumi CLI")
    client = HttpsClient(
        provider["address"],
        ssl.create_default_context(cafile=provider["caCertFile"]),
        {"X-Vault-Token": provider["token"]},
    )
    for method, path, body in _REQUESTS[token](inputs):
        client.request(method, f"/v1/{path}", body)


def _mount(inputs: Inputs) -> list[Request]:
    config = {
        "default_lease_ttl": f"{int(inputs['defaultLeaseTtlSeconds'])}s",
        "max_lease_ttl": f"{int(inputs['maxLeaseTtlSeconds'])}s",
        "audit_non_hmac_response_keys": inputs["auditNonHmacResponseKeys"],
    }
    body = {"type": inputs["type"], "description": inputs["description"], "config": config}
    return [("POST", f"sys/mounts/{inputs['path']}", body)]


def _connection(inputs: Inputs) -> list[Request]:
    body = {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": inputs["allowedRoles"],
        "verify_connection": inputs["verifyConnection"],
        **_snake(inputs["postgresql"]),
    }
    return [("POST", f"{inputs['backend']}/config/{inputs['name']}", body)]


def _lease(inputs: Inputs) -> list[Request]:
    body = {key: value for key, value in _snake(inputs).items() if key not in ("backend", "name")}
    return [("POST", f"{inputs['backend']}/roles/{inputs['name']}", body)]


def _policy(inputs: Inputs) -> list[Request]:
    return [("PUT", f"sys/policies/acl/{inputs['name']}", {"policy": inputs["policy"]})]


def _endpoint(inputs: Inputs) -> list[Request]:
    return [("POST", inputs["path"], json.loads(inputs["dataJson"]))]


def _auth(inputs: Inputs) -> list[Request]:
    config = {
        key: value
        for key, value in _snake(inputs).items()
        if key in ("bound_issuer", "oidc_discovery_url", "oidc_discovery_ca_pem", "jwks_url", "jwks_ca_pem")
        or key == "jwt_validation_pubkeys"
    }
    return [
        ("POST", f"sys/auth/{inputs['path']}", {"type": inputs["type"], "description": inputs["description"]}),
        ("POST", f"auth/{inputs['path']}/config", config),
    ]


def _auth_role(inputs: Inputs) -> list[Request]:
    body = {key: value for key, value in _snake(inputs).items() if key not in ("backend", "role_name")}
    # Keys of these maps are claims, not names of properties.
    body |= {"bound_claims": inputs["boundClaims"], "claim_mappings": inputs["claimMappings"]}
    return [("POST", f"auth/{inputs['backend']}/role/{inputs['roleName']}", body)]


def _snake(inputs: Inputs) -> dict[str, Any]:
    return {re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), key): value for key, value in inputs.items()}


_REQUESTS = {
    "vault:index/mount:Mount": _mount,
    "vault:database/secretBackendConnection:SecretBackendConnection": _connection,
    "vault:database/secretBackendRole:SecretBackendRole": _lease,
    "vault:index/policy:Policy": _policy,
    "vault:generic/endpoint:Endpoint": _endpoint,
    "vault:jwt/authBackend:AuthBackend": _auth,
    "vault:jwt/authBackendRole:AuthBackendRole": _auth_role,
}
