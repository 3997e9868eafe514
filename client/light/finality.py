"""Which blocks are final, shown from the genesis alone.

A block is final by a certificate of the validator set in force at its height. Genesis gives the
set of block 1. A set changes in one way only: the header of a block names, by its hash, the set of
the next one (`next_validators_hash`), and a quorum of the set before has signed it.

**One request while the set never changes.** A header that names the set of genesis and has its
certificate is taken whatever its height, without the headers between. An honest validator signs a
block only if it follows from the chain before, and only where the block names the set that is in
force there; a quorum has at least one honest member, so it cannot sign anything else. This rests on
the assumption that the whole chain rests on, in its strict form: of every set that ever was in
force at most f members are Byzantine, also after they left. Whoever steals the keys of a former
set can sign another past. Against that stands what was verified before: it is never given up.

**A header of another set** is refused until the change has been proven. What is needed is a *last
block* of the old set: final, and naming the new set as the next. Its height is not known, so it is
searched by halving between a height where the old set was in force and the header in question. On
the way a header that names the old set is verified; one that names any other is only a hint where
to search, and proves nothing. So a lie can lead the search astray, and then it ends in an error,
but it cannot make a set: that takes a header signed by a quorum of the set before, and members
whose hash that header names. With k changes this takes at most 64 · k headers instead of all.

Sets are kept with the height from which they are proven. A header is checked against the last set
that is proven at or below its height, so that a former set counts for nothing above the change that
ended it.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import Final

from chain.block import Header
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.light import VerificationError, verify_final
from chain.store import MemoryStore
from chain.validators import ValidatorSet
from chain.verdicts import Verdicts
from client.light.answers import Answer, certificate_of, header_of, validators_of
from client.light.blocks import FinalBlock, FinalBlocks
from client.rpc import Rpc, RpcError

# Changes of the validator set that are proven for one header.
CHANGES_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Succession:
    """A validator set, and a height from which it is proven to be in force."""

    height: int
    validators: ValidatorSet


class Finality:
    """What a light client knows of a chain's final blocks and validator sets."""

    def __init__(self, rpc: Rpc, genesis: Genesis) -> None:
        """Execute the genesis, about 50 µs a key: its block is the root of all trust."""
        tip = Ledger.create(genesis, MemoryStore(), Verdicts()).tip
        self.chain_id = genesis.chain_id
        self.blocks = FinalBlocks(tip.header)
        self._rpc = rpc
        self._successions = [Succession(1, tip.next_validators)]

    async def verify(
        self, answer: Answer, *, height: int | None = None, height_min: int = 0
    ) -> Header:
        """Return an answer's header once it is shown to be final; raises `VerificationError`.

        It must be of `height`, if one was asked for, and not below `height_min`.
        """
        header = self._read(answer, height)
        if header.height < height_min:
            raise VerificationError(
                f"{answer.where}: the node's newest block is {header.height}, but block "
                f"{height_min} is final"
            )
        if header in self.blocks:
            return header
        if header.height == 0:
            first = self.blocks.first.header.id()
            raise VerificationError(
                f"block 0 of this genesis is {first.hex()}, the node's is {header.id().hex()}"
            )
        validators = await self._set_of(header)
        self._add(header, answer, validators)
        return header

    def _read(self, answer: Answer, height: int | None) -> Header:
        """Read an answer's header, which must be of this chain and of the height asked for."""
        header = header_of(answer)
        if header.chain_id != self.chain_id:
            raise VerificationError(
                f"{answer.where}: the header is of chain {header.chain_id.hex()}, not "
                f"{self.chain_id.hex()}"
            )
        if height not in {None, header.height}:
            raise VerificationError(
                f"{answer.where}: block {height} was asked for, the node gives {header.height}"
            )
        return header

    async def _set_of(self, header: Header) -> ValidatorSet:
        """Return the set that the header names, shown to be in force at its height."""
        known, changes = self._last(header.height), 0
        while header.validators_hash != known.validators.hash:
            if changes == CHANGES_MAX:
                raise VerificationError(
                    f"the validator set of block {header.height} follows from those known by more "
                    f"than {CHANGES_MAX} changes"
                )
            await self._prove_change(known, header)
            known, changes = self._last(header.height), changes + 1
        return known.validators

    def _last(self, height: int) -> Succession:
        """Return the last set that is proven at or below a height."""
        position = bisect_right(self._successions, height, key=lambda one: one.height)
        return self._successions[position - 1]

    async def _prove_change(self, known: Succession, above: Header) -> None:
        """Prove the set that follows `known` somewhere below a header of another set."""
        old = known.validators
        # The set after block `low` is proven to be the old one; block `high` names another.
        low, high = known.height - 1, above.height
        while high - low > 1:
            middle = (low + high) >> 1
            answer, header = await self._header_at(middle)
            if header.validators_hash != old.hash:
                high = middle
                continue
            self._add(header, answer, old)
            if header.next_validators_hash != old.hash:
                validators = await self._members(header)
                # Whoever asked at the same time may have added the same, which does no harm.
                proven = Succession(middle + 1, validators)
                insort(self._successions, proven, key=lambda one: one.height)
                return
            low = middle
        raise VerificationError(
            f"block {high} is said to be of another validator set than block {low} names as the "
            f"next, which is {old.hash.hex()}"
        )

    async def _header_at(self, height: int) -> tuple[Answer, Header]:
        """Ask for a header that is needed to prove a change."""
        try:
            said = await self._rpc.call("chain_header", height=height)
        except RpcError as error:
            raise VerificationError(
                f"the validator set has changed, and the node gives no block {height} to prove "
                f"how: {error}"
            ) from error
        answer = Answer.of("chain_header", said)
        return answer, self._read(answer, height)

    async def _members(self, header: Header) -> ValidatorSet:
        """Return the members of the set that a final header names as the next."""
        for known in self._successions:
            if known.validators.hash == header.next_validators_hash:
                return known.validators
        answer = Answer.of("chain_validators", await self._rpc.call("chain_validators"))
        offered = [validators_of(answer, name) for name in ("validators", "next_validators")]
        for validators in offered:
            if validators.hash == header.next_validators_hash:
                return validators
        raise VerificationError(
            f"block {header.height} names {header.next_validators_hash.hex()} as the next "
            f"validator set, and the node gives the members of others: "
            f"{', '.join(one.hash.hex() for one in offered)}"
        )

    def _add(self, header: Header, answer: Answer, validators: ValidatorSet) -> None:
        """Verify a header by its certificate and keep it."""
        if header in self.blocks:
            return
        certificate = certificate_of(answer)
        if certificate is None:
            raise VerificationError(f"{answer.where} has no certificate of block {header.height}")
        verify_final(self.chain_id, validators, header, certificate)
        self.blocks.add(FinalBlock(header, certificate))
