"""Servers of their own for tests of `runlease verify`, which looks at all that is there."""

from tests.live.servers import *  # noqa: F403 - its fixtures
