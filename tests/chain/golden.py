"""The golden chains: mixed transactions by fixed seeds, whose roots never change.

    python -m tests.chain.golden NAME > vectors/golden/NAME.json

A node of any release, on any Python, must come to the same roots; a change of them is a change of
the protocol and needs an ADR.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chain.execution.receipt import Receipt
from chain.store import StoredBlock
from tests.chain.golden_market import golden_market
from tests.chain.golden_money import golden_money
from tests.support.chain import ChainNode

CHAINS: Final[Mapping[str, Callable[[], ChainNode]]] = {
    "chain-1": golden_money,
    "market-1": lambda: golden_market().node,
}


def shown(node: ChainNode) -> list[dict[str, Any]]:
    """Return each header's fields in hex, with what its receipts said."""
    return [_shown(block) for block in node.blocks()]


def _shown(block: StoredBlock) -> dict[str, Any]:
    header = block.header
    return {
        "height": header.height,
        "block_id": block.block_id.hex(),
        "txs_root": header.txs_root.hex(),
        "receipts_root": header.receipts_root.hex(),
        "state_root": header.state_root.hex(),
        "history_root": header.history_root.hex(),
        "codes": [
            [result.code for result in Receipt.decode(data).results] for data in block.receipts
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chain.golden", description=__doc__)
    parser.add_argument("name", choices=CHAINS, metavar="NAME", help=", ".join(CHAINS))
    name = parser.parse_args().name
    print(json.dumps(shown(CHAINS[name]()), indent=1))  # noqa: T201 - a command that prints
