"""`gtx peers` and `gtx consensus`: the other nodes, and where consensus stands among them."""

from typing import Any

from client.rpc import Rpc
from node.cli.common import DEFAULTS, Common
from node.cli.output import answer, facts, table


async def peers(*, common: Common = DEFAULTS) -> None:
    """List the nodes that this one is connected to, or wants to be.

    `lies` counts what no honest node sends. A height is what a peer said last, and proves nothing.

    For example:

    ```
    gtx peers
    gtx peers --rpc-url http://127.0.0.1:26681 --json
    ```
    """
    async with Rpc(common.url()) as rpc:
        found = await rpc.call("net_peers")
    rows = [
        (
            one["name"] or "(listed)",
            one["peer_id"],
            "up" if one["is_up"] else "down",
            str(one["height"]),
            "" if one["rtt_ms"] is None else f"{one['rtt_ms']} ms",
            str(one["lies"]),
            "" if one["is_up"] else one["last_failure"],
        )
        for one in found["peers"]
    ]
    heads = ("authority", "peer id", "link", "height", "round trip", "lies", "last failure")
    lines = table(heads, rows) if rows else ["this node is on no network: p2p.listen is empty"]
    answer(found, as_json=common.json, lines=lines)


async def consensus(*, common: Common = DEFAULTS) -> None:
    """Say where consensus stands: whose turn it is, who has voted, and what it waits for.

    Votes are those of the round under way, as far as they have come to this node.

    For example:

    ```
    gtx consensus
    gtx consensus --json
    ```
    """
    async with Rpc(common.url()) as rpc:
        found = await rpc.call("consensus_state")
    lines = facts(
        [
            ("height", found["height"]),
            ("round", found["round"]),
            ("step", found["step"]),
            ("proposer", f"{found['proposer_name']} ({found['proposer']})"),
            ("proposal", "here" if found["has_proposal"] else "not here"),
            ("quorum", f"{found['quorum']} of {len(found['validators'])}"),
            ("may sign", "yes" if found["may_sign"] else "no: it follows only, or lost its log"),
            ("waits for", found["waits_for"]),
        ]
    )
    rows = [(one["name"], _mark(one, "prevoted"), _mark(one, "precommitted"))
            for one in found["validators"]]  # fmt: skip
    lines += ["", *table(("authority", "prevote", "precommit"), rows)]
    answer(found, as_json=common.json, lines=lines)


def _mark(voter: dict[str, Any], what: str) -> str:
    return "yes" if voter[f"has_{what}"] else "-"
