"""RL030: no pod gets a token unasked."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.runs import run_accounts


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    runs = run_accounts(access)
    for account in access.accounts:
        if account.automount and (account.namespace, account.name) in runs:
            what = "its token is mounted into every container (expected automountServiceAccountToken: false)"
            yield Breach(f"service account {account}", what, account.source)


RULE = Rule(
    id="RL030",
    severity=Severity.MEDIUM,
    sentence="The account of a run does not mount its token.",
    why=(
        "An automounted token is in every container of the pod, the steps included, and is good at the API server. The "
        "guard asks for its own, which the steps do not see."
    ),
    fix="Turn it off at the account.",
    language="python",
    before='ServiceAccount("migrate", metadata={"name": "migrate", "namespace": "ci"})',
    after=(
        'ServiceAccount("migrate", metadata={"name": "migrate", "namespace": "ci"},\n'
        "               automount_service_account_token=False)"
    ),
    check=_check,
)
