"""One identity's chain, link by link, with what makes each link."""

from collections.abc import Iterator

from runlease.access import Access, Identity, Reached, reach
from runlease.report.escape import printable


def identity_named(access: Access, name: str) -> Identity:
    """The identity that is written `namespace/service-account`. Raises KeyError with those that there are."""
    found = {str(binding.identity): binding.identity for binding in access.bindings}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise KeyError(f"{name}: no such identity (got {name!r}, expected one of {known}). Fix: name one of them")
    return found[name]


def explain(access: Access, identity: Identity) -> str:
    """Identity, binding, lease, role and grants of every chain; the source of each stands behind it."""
    lines = [str(identity), f"  token for audience {identity.audience}, signed by {identity.issuer}"]
    for reached in reach(access, identity):
        lines += ["", *_links(reached)]
    return "\n".join(map(printable, lines))


def _links(reached: Reached) -> Iterator[str]:
    role, owner = reached.role, reached.role.runs_as
    yield _link("binding", str(reached.binding), reached.binding.source)
    yield _link("lease", str(reached.lease), reached.lease.source)
    yield _link("role", f"{role} in {role.database}" + (f", becomes {owner}" if owner else ""), role.source)
    for grant in reached.grants:
        yield _link("grant", str(grant), grant.source or role.source)
    if owner:
        yield _link("owner", f"everything that {owner} owns", role.source)


def _link(kind: str, what: str, source: str) -> str:
    return f"  {kind:8} {what}" + (f"   [{source}]" if source else "")
