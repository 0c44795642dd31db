"""JWT roles, policies and leases → which identity may obtain which lease."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from runlease.access import EVERY, Binding, Identity, Lease, PathRule, Policy, Trust, Unread

COMPONENT = "runlease:index:PipelineIdentity"
_SUBJECT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_NAMESPACE, _ACCOUNT = "/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/name"
_DEFAULT = "default"
"""The policy that Vault attaches by itself; it opens no lease."""


@dataclass(frozen=True)
class Leases:
    """What policies are held against: every lease by the path that it is read at."""

    by_path: Mapping[str, str]

    @classmethod
    def of(cls, leases: Iterable[Lease]) -> "Leases":
        """Index the leases of an Access."""
        return cls({lease.creds_path: lease.name for lease in leases})

    def opened_by(self, rules: Iterable[PathRule]) -> Iterator[str]:
        """Leases that a token with these rules together may read, as Vault decides: the most specific path counts."""
        opened: dict[str, set[str]] = {}
        for rule in rules:
            opened.setdefault(rule.path, set()).update(rule.capabilities)
        wild = sorted((path for path in opened if _is_wild(path)), key=_priority, reverse=True)
        for path in self.by_path if wild else opened:
            if path in self.by_path:
                fitting = path if path in opened else next((one for one in wild if _matches(one, path)), "")
                capabilities = opened.get(fitting, set())
                if "read" in capabilities and "deny" not in capabilities:
                    yield self.by_path[path]


def read_bindings(
    trusts: Iterable[Trust], policies: Iterable[Policy], leases: Leases, names: Mapping[str, str]
) -> tuple[tuple[Binding, ...], tuple[Unread, ...]]:
    """Every binding, and the policies that JWT roles carry and nothing here makes.

    `names` has the name of the PipelineIdentity that a JWT role belongs to, by the JWT role's URN.
    """
    known = {policy.name: policy.rules for policy in policies}
    found: list[Binding] = []
    unread: dict[str, Unread] = {}
    for trust in trusts:
        for name in trust.policies:
            if name not in known and name != _DEFAULT:
                why = f"is made elsewhere, and JWT role {trust} carries it"
                unread[name] = Unread(f"policy {name}", why, source=trust.source)
        rules = [rule for name in trust.policies for rule in known.get(name, ())]
        opened = sorted(leases.opened_by(rules))
        for identity in _identities(trust) if opened else ():
            pipeline, task = _pipeline(identity, names.get(trust.source, ""))
            found += [Binding(identity, lease, pipeline, task, source=trust.source) for lease in opened]
    return tuple(found), tuple(unread.values())


def _identities(trust: Trust) -> Iterator[Identity]:
    """The accounts that a JWT role takes tokens of; EVERY where it does not say."""
    claims = dict(trust.bound_claims)
    subjects = (trust.bound_subject,) if trust.bound_subject else claims.get("sub", ())
    accounts = [found.groups() for subject in subjects if (found := _SUBJECT.fullmatch(subject))]
    if not accounts:
        accounts = list(product(claims.get(_NAMESPACE, (EVERY,)), claims.get(_ACCOUNT, (EVERY,))))
    for (namespace, name), audience in product(accounts, trust.audiences or ("",)):
        yield Identity(namespace, name, trust.issuer, audience, source=trust.source)


def _pipeline(identity: Identity, component: str) -> tuple[str, str]:
    """Pipeline and task as PipelineAccess names its PipelineIdentity, where that agrees with the account."""
    found = re.fullmatch(rf".*-{re.escape(identity.namespace)}\.([a-z0-9-]+)\.([a-z0-9-]+)", component)
    if found is None or f"{found[1]}-{found[2]}" != identity.service_account:
        return "", ""
    return found[1], found[2]


def _is_wild(path: str) -> bool:
    return path.endswith("*") or "+" in path.split("/")


def _priority(path: str) -> tuple[int, bool, int, int, str]:
    """https://developer.hashicorp.com/vault/docs/concepts/policies#priority-matching: the highest counts."""
    segments = path.split("/")
    first = next((len("/".join(segments[:i])) for i, one in enumerate(segments) if one == "+"), len(path))
    return min(first, len(path) - path.endswith("*")), not path.endswith("*"), -segments.count("+"), len(path), path


def _matches(pattern: str, path: str) -> bool:
    stem, star = (pattern[:-1], ".*") if pattern.endswith("*") else (pattern, "")
    segments = ("[^/]+" if one == "+" else re.escape(one) for one in stem.split("/"))
    return re.fullmatch("/".join(segments) + star, path) is not None
