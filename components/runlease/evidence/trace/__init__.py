"""From a statement in PostgreSQL's log to the run that issued it, without trusting the run.

The login of a log line joins Vault's audit log, which knows the pod; the broker's ledger knows the login's life.
"""

from runlease.evidence.trace.answer import Answer, Question, Sources
from runlease.evidence.trace.reading import trace

__all__ = ["Answer", "Question", "Sources", "trace"]
