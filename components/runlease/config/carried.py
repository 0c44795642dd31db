"""A stack's settings as files that stand side by side: what a pod is given to read."""

from collections.abc import Callable
from typing import Any

import yaml

from runlease.config.files import ACCESS
from runlease.config.settings import Settings


def stack_files(settings: Settings, text: Callable[[str], str]) -> dict[str, str]:
    """`stack.yaml`, and beside it the CA certificates of Vault and the databases. No secret stands in any of them.

    `text` reads a file that the settings name.
    """
    access: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True)
    files = {}
    for key, database in settings.databases.items():
        name = f"{key}.database.pem"
        files[name] = text(database.ca)
        access["databases"][key]["ca"] = name
    if settings.vault.ca:
        files["vault.pem"] = text(settings.vault.ca)
        access["vault"]["ca"] = "vault.pem"
    return {"stack.yaml": yaml.safe_dump({"config": {ACCESS: access}}, sort_keys=True), **files}
