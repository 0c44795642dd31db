"""First passwords of logins: made once, kept encrypted in the state, the same on every later `up`."""

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
