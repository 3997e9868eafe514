"""A real validator on disk behind a real server, and a client that believes nothing unproven."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from chain.execution.receipt import Receipt
from chain.genesis import Genesis
from chain.json_form import from_json
from chain.light import verify_event, verify_final, verify_receipt
from chain.merkle import InclusionProof
from chain.transaction import Call, Mode, Transaction, sign_transaction
from chain.trie import ics23
from chain.trie.proof import Absence, Existence
from chain.trie.verify import verify_absence, verify_existence, verify_range
from chain.validators import Validator, ValidatorSet
from node.api import ApiLimits, make_app
from node.chain_node import make_signer, open_node
from node.home import Home
from node.process import NodeBackend
from node.validator_key import ValidatorKey
from tests.node.api.serving import Client, serving_app
from tests.node.api.test_chain_methods import certificate_of, header_of
from tests.node.api.test_state import range_of
from tests.support.genesis import make_genesis, validator_names
from tests.support.people import account_of, key_of, seed_of

VALIDATOR = validator_names(1)[0]
STATE_START, STATE_END = b"\0", b"\xff" * 64


class RealNode:
    """One running validator, asked over HTTP; all that is trusted of it is its genesis."""

    def __init__(self, genesis: Genesis, client: Client) -> None:
        self.chain_id = genesis.chain_id
        self.client = client
        self.validators = ValidatorSet.of([Validator(account_of(VALIDATOR), key_of(VALIDATOR))])

    def signed(
        self,
        *calls: Call,
        sender: str = "alice",
        keys: tuple[str, ...] | None = None,
        **fields: Any,  # noqa: ANN401
    ) -> bytes:
        """Return a right transaction but for the fields given."""
        values: dict[str, Any] = {
            "chain_id": self.chain_id,
            "sender": account_of(sender),
            "nonce": 0,
            "valid_until_height": 1_000,
            "fee_max_uthb": 1_000_000,
            "mode": Mode.ALL_OR_NOTHING,
            "calls": calls,
        }
        signers = [seed_of(name) for name in keys or (sender,)]
        return sign_transaction(Transaction(**(values | fields)), signers).raw

    async def submit(self, raws: Iterable[bytes]) -> list[str]:
        """Submit a batch that must be accepted; returns the ids."""
        raws = list(raws)
        answer = await self.client.call("tx_submit_batch", transactions=[r.hex() for r in raws])
        assert answer["accepted"] == len(raws), answer
        return [item["id"] for item in answer["items"]]

    async def final(self, ids: Iterable[str]) -> None:
        """Return once all these transactions are in blocks, as a WebSocket tells."""
        waiting = list(ids)
        async with self.client.websocket() as socket:
            await socket.call("events_subscribe", every_block=True)
            while True:
                answers = [await self.client.call("tx_status", id=id_) for id_ in waiting]
                waiting = [one["id"] for one in answers if one["status"] != "final"]
                if not waiting:
                    return
                assert (await socket.receive())["method"] == "events_notification"

    async def receipt(self, id_: str) -> tuple[Receipt, dict[str, Any]]:
        """Return a receipt that is proven to be the transaction's, and its form for people."""
        answer = await self.client.call("tx_receipt", id=id_)
        header = self.trusted(answer)
        proof = InclusionProof.from_wire(from_json(InclusionProof.shape, answer["proof"]))
        receipt = verify_receipt(header, bytes.fromhex(answer["receipt_raw"]), proof)
        assert receipt.id.hex() == id_
        events = [bytes.fromhex(event["data"]) for event in answer["events"]]
        for index, event in enumerate(events):
            verify_event(receipt, event, InclusionProof.of(events, index))
        shown: dict[str, Any] = answer["receipt"]
        return receipt, shown

    async def value(self, key: bytes) -> bytes | None:
        """Return the value of a state key, or None for one whose absence is proven."""
        answer = await self.client.call("state_get", key=key.hex())
        root = self.trusted(answer).state_root
        proof = ics23.decode(bytes.fromhex(answer["proof"]["ics23"]))
        if answer["value"] is None:
            assert isinstance(proof, Absence)
            verify_absence(root, key, proof)
            return None
        assert isinstance(proof, Existence)
        value = bytes.fromhex(answer["value"])
        verify_existence(root, key, value, proof)
        return value

    async def state(self) -> dict[bytes, bytes]:
        """Return the whole state, proven page by page; no block may come meanwhile."""
        found: dict[bytes, bytes] = {}
        roots: set[bytes] = set()
        start: bytes | None = STATE_START
        while start is not None:
            page = await self.client.call(
                "state_range", start=start.hex(), end=STATE_END.hex(), limit=50
            )
            root = self.trusted(page).state_root
            roots.add(root)
            found.update(verify_range(root, start, STATE_END, range_of(page)))
            start = None if page["cursor"] is None else bytes.fromhex(page["cursor"])
        assert len(roots) == 1, "a block came while the state was read"
        return found

    def trusted(self, answer: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return the header of an answer once its certificate has been verified."""
        header = header_of(answer)
        if header.height == 0:
            assert header.chain_id == self.chain_id
            assert answer["certificate"] is None
        else:
            verify_final(self.chain_id, self.validators, header, certificate_of(answer))
        return header


@asynccontextmanager
async def real_node(
    folder: Path, limits: ApiLimits | None = None, genesis: Genesis | None = None
) -> AsyncIterator[RealNode]:
    """Run a validator of a new chain in a folder, and serve it."""
    genesis = genesis or make_genesis()
    home = Home(folder)
    make_signer(home, genesis.chain_id, seed_of(VALIDATOR))
    with open_node(
        home, genesis, ValidatorKey(account_of(VALIDATOR), seed_of(VALIDATOR)), workers=1
    ) as node:
        shutdown = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(node.engine.run)
            app = make_app(NodeBackend(node, genesis.name), limits)
            async with serving_app(app, shutdown) as client:
                yield RealNode(genesis, client)
            nursery.cancel_scope.cancel()
