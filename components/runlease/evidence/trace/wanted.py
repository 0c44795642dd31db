"""Which statements a question asks for."""

import re
from collections.abc import Callable

from runlease.evidence.trace.values import hidden


def asks_for(statement: str, table: str) -> Callable[[str], bool] | None:
    """Whether a log's message holds the text, and names the table. White space and case do not count.

    The table is looked for outside of literals and comments, with or without a schema before it: what a view or a
    function touches is not seen, and pgaudit says it. None where nothing is asked.
    """
    words = " ".join(statement.lower().split())
    schema, _, name = table.rpartition(".")
    before = re.escape(schema) if schema else r'[^\s".]{1,63}'
    pattern = rf'(?<![\w$."])(?:"?{before}"?\s*\.\s*)?"?{re.escape(name)}"?(?![\w$"])'
    named = re.compile(pattern, re.IGNORECASE)

    def matches(message: str) -> bool:
        if words and words not in " ".join(message.lower().split()):
            return False
        return not name or bool(named.search(hidden(message)))

    return matches if words or name else None
