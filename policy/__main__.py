"""The policy pack: `pulumi preview --policy-pack policy` starts it."""

import sys

from runlease.config import ConfigError
from runlease.policy.pack import run

try:
    run()
except ConfigError as wrong:
    sys.exit("\n".join(wrong.messages))
