"""RL015: no claim ends up in a user name."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for connection in access.connections:
        template = connection.username_template
        if not template.strip() or "DisplayName" in template:
            got = "DisplayName" if template.strip() else "Vault's default, which holds it"
            what = f"puts the display name into logins (got {got}, expected a template without .DisplayName)"
            yield Breach(f"connection {connection}", what, connection.source)


RULE = Rule(
    id="RL015",
    severity=Severity.CRITICAL,
    sentence="Logins are named by a template of their own, without `.DisplayName`.",
    why=(
        "Vault puts the name into the statements as text. The display name comes from a claim of the token, and a "
        "claim with a quote in it is SQL that runs as Vault's login. The default template holds it."
    ),
    fix="Set username_template to the lease's name and something random.",
    language="python",
    before='username_template="v-{{.DisplayName}}-{{random 20}}"',
    after="""username_template='{{ printf "run_%s_%s" .RoleName (random 20 | lowercase) }}'""",
    check=_check,
)
