"""Applies what a Pulumi program registers to real servers, where there is no `pulumi` CLI.

Behind Pulumi's own unit-test hook (`pulumi.runtime.set_mocks`): each resource is created as it is registered. It keeps
no state, shows no difference and deletes nothing, so it is for the lab alone and is never called Pulumi.
"""

from lab.apply.monitor import apply_program

__all__ = ["apply_program"]
