"""First passwords of logins: made once, kept encrypted in the state, the same on every later `up`."""

import base64
import hashlib
import hmac
import secrets

import pulumi


def first_password(name: str, generation: int, parent: pulumi.Resource) -> pulumi.Output[str]:
    """A random password that survives an interrupted `up`; another one for each generation.

    The stash keeps what it was first given, so that the login and whoever logs in with it agree however often the
    program runs. Its input differs each time and is ignored.
    """
    stash = pulumi.Stash(
        f"{name}-first-password-{generation}",
        input=pulumi.Output.secret(secrets.token_urlsafe(32)),
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["input"], additional_secret_outputs=["output"]),
    )
    return pulumi.Output.secret(stash.output)


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for a password, so that the password itself stands in no statement and no log.

    The salt comes from the password, which is random: the same password gives the same verifier, so that no later `up`
    sees a change. Form and 4096 rounds as PostgreSQL's own (RFC 5803, https://www.postgresql.org/docs/current/
    catalog-pg-authid.html).
    """
    salt = hashlib.sha256(b"runlease salt " + password.encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    spelled = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256$4096:{spelled[0]}${spelled[1]}:{spelled[2]}"
