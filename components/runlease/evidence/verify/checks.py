"""Every live check that PostgreSQL answers, in the order of ids."""

from runlease.evidence.verify.broker import BROKER
from runlease.evidence.verify.groups import GROUPS
from runlease.evidence.verify.left_by_migrations import LEFT_BY_MIGRATIONS
from runlease.evidence.verify.lifecycle import LIFECYCLE
from runlease.evidence.verify.public import PUBLIC
from runlease.evidence.verify.reaching_out import REACHING_OUT
from runlease.evidence.verify.server import SERVER

CHECKS = (*LIFECYCLE, *GROUPS, *PUBLIC, *BROKER, *LEFT_BY_MIGRATIONS, *REACHING_OUT, *SERVER)
