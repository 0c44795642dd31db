"""The broker's allow-list, read from the body of its own function: which login gets which role for a profile."""

import re

_ALLOW_LIST = re.compile(r"FROM \(VALUES (.*?)\) AS a \(caller, profile, group_role\b", re.DOTALL)
_ALLOWED = re.compile(r"\( ?'([^'\\]*)', '([^'\\]*)', '([^'\\]*)', \d+, \d+, (?:true|false), (?:true|false)\)")


def read_allow_list(body: str) -> dict[tuple[str, str], str] | None:
    """Vault's login and profile → group role; None for a body that holds no list that is understood."""
    found = _ALLOW_LIST.search(body)
    if found is None:
        return None
    return {(caller, profile): group for caller, profile, group in _ALLOWED.findall(found[1])}
