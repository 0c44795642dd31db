"""A connection URL of Vault's → what it dials. The one place that reads one."""

import re
from urllib.parse import parse_qs, unquote

_KEYWORD = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']+)")


def dialled_by(url: str) -> dict[str, str]:
    """host, dbname, sslmode and user of a connection URL or of `key=value` words. A password in it is left there."""
    if "://" not in url:
        words = {key: value.strip("'") for key, value in _KEYWORD.findall(url)}
        host = f"{words['host']}:{words.get('port', '5432')}" if "host" in words else ""
        return {**{key: words[key] for key in ("dbname", "sslmode", "user") if key in words}, "host": host}
    base, _, query = url.partition("://")[2].partition("?")
    login, _, rest = base.rpartition("@")
    host, _, dbname = rest.partition("/")
    found = {"host": host if ":" in host else f"{host}:5432", "dbname": unquote(dbname)}
    found["sslmode"] = parse_qs(query).get("sslmode", [""])[-1]
    user = login.partition(":")[0]
    return found if "{{" in user else {**found, "user": unquote(user)}
