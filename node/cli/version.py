"""`gtx version`."""

import platform
from typing import Final

from contracts.kernel.manifest import manifest_hash, manifest_of
from contracts.registry import CATALOGUE
from node.cli.common import DEFAULTS, Common
from node.cli.output import answer, facts

VERSION: Final = "0.1.0"


def version(*, common: Common = DEFAULTS) -> None:
    """Print the versions of this program and of the contracts in it.

    Nodes and clients agree on what contracts are if their manifest hashes are equal.

    For example:

    ```
    gtx version
    gtx version --json
    ```
    """
    form = {
        "version": VERSION,
        "manifest_hash": manifest_hash(manifest_of(CATALOGUE.specs)).hex(),
        "python": platform.python_version(),
    }
    answer(form, as_json=common.json, lines=facts(list(form.items())))
