"""Servers of their own for tests of `runlease sweep`, which looks at all that is there."""

from tests.live.servers import *  # noqa: F403 - its fixtures
