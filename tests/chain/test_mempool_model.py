"""The mempool beside its rules said plainly, through any sequence of arrivals and blocks."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.mempool import (
    Mempool,
    MempoolLimits,
    PoolFull,
    Replaced,
)
from chain.refusals import (
    NotIncludableError,
    WrongKeys,
)
from contracts.kernel import Lane
from tests.support.genesis import parameters
from tests.support.mempool import (
    NAMES,
    RICH,
    Trusting,
    all_of,
    left,
    made,
    rich,
)
from tests.support.mempool_model import Model, fee_of, nonce_of, sender_of, size_of
from tests.support.people import account_of

SIZE = size_of(made("alice", 0, 10_000))
LIMITS = st.builds(
    MempoolLimits,
    transactions=st.integers(3, 24),
    bytes=st.integers(3 * SIZE, 30 * SIZE),
    sender_transactions=st.integers(2, 6),
    sender_bytes=st.integers(2 * SIZE, 8 * SIZE),
)
CHAIN_PARAMETERS = parameters(nonce_gap_max=2)
ARRIVALS = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from((0, 0, 0, 0, 1, 2, 3, -1)),
    st.booleans(),
    st.sampled_from((5_000, 5_499, 5_500, 6_000, 7_000, 9_000)),
    st.sampled_from(Lane),
    st.sampled_from((0, 0, 0, 100, 250)),
    st.sampled_from((50, 50, 50, 5, 2, 1, 0)),
)


class MempoolMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, blocks and changes of accounts, beside the rules said plainly."""

    @initialize(limits=LIMITS)
    def begin(self, limits: MempoolLimits) -> None:
        self.accounts = rich()
        self.model = Model(self.accounts, limits, CHAIN_PARAMETERS.nonce_gap_max)
        self.pool = Mempool(self.accounts, CHAIN_PARAMETERS, 0, Trusting(), limits)

    @rule(arrivals=st.lists(ARRIVALS, min_size=1, max_size=8))
    def add(self, arrivals: list[tuple[str, int, bool, int, Lane, int, int]]) -> None:
        for arrival in arrivals:
            self.add_one(*arrival)

    def add_one(
        self, name: str, ahead: int, from_account: bool, fee: int, lane: Lane, memo: int, last: int
    ) -> None:
        sender = account_of(name)
        base = self.accounts.nonce(sender) if from_account else self.model.hole(sender)
        until = self.model.height + last
        one = made(name, max(0, base + ahead), fee, lane, memo=memo, until=until)
        expected = self.model.refusal(one)
        gone = None if expected else self.model.who_leaves(one)
        if expected is None and gone is None:
            expected = PoolFull
        if expected is None and sender in self.accounts.locked:
            expected = WrongKeys
        if expected is not None:
            with pytest.raises(NotIncludableError) as caught:
                self.pool.add(one)
            assert type(caught.value) is expected
            return
        assert gone is not None
        replaced = self.model.of(sender).get(nonce_of(one))
        expected_left: dict[bytes, type[NotIncludableError]] = {x.id: PoolFull for x in gone}
        if replaced is not None:
            expected_left[replaced.id] = Replaced
        assert left(self.pool.add(one)) == expected_left
        self.model.admit(one, gone)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.model.waiting:
            one = data.draw(st.sampled_from(self.model.waiting))
            self.pool.remove(one.id)
            self.model.waiting.remove(one)

    @rule(count=st.integers(0, 4), passed=st.integers(1, 3), data=st.data())
    def block(self, count: int, passed: int, data: st.DataObject) -> None:
        taken = all_of(self.pool)[:count]
        touched = [sender_of(one) for one in taken]
        for one in taken:
            self.accounts.nonces[sender_of(one)] = nonce_of(one) + 1
        name = data.draw(st.sampled_from(NAMES))
        change = data.draw(st.sampled_from(("nothing", "poor", "rich", "lock", "unlock")))
        if change in {"poor", "rich"}:
            self.accounts.free[account_of(name)] = 13_000 if change == "poor" else RICH
        elif change == "lock":
            self.accounts.locked[account_of(name)] = None
        elif change == "unlock":
            self.accounts.locked.pop(account_of(name), None)
        touched.append(account_of(name))
        self.model.height += passed
        # Who changed keys must be named as such; of anybody else it may be said.
        again = change in {"lock", "unlock"} or data.draw(st.booleans())
        rekeyed = {account: account == account_of(name) and again for account in touched}
        ask = data.draw(st.sampled_from((rekeyed, None)))
        included: list[bytes] = []
        if data.draw(st.booleans()):
            # What it is told to be in a block leaves without a word; else it finds out by nonces.
            included = [one.id for one in taken] + [bytes(32)]
            self.model.waiting = [one for one in self.model.waiting if one.id not in included]
        departures = self.pool.update(
            self.accounts, CHAIN_PARAMETERS, self.model.height, ask, included
        )
        assert left(departures) == self.model.follow()

    @rule(places=st.integers(1, 30), heavy=st.sampled_from(Lane), data=st.data())
    def propose(self, places: int, heavy: Lane, data: st.DataObject) -> None:
        weights = {x.id: 60 if x.lane is heavy else 1 for x in self.model.waiting}
        failing = {x.id for x in self.model.waiting if data.draw(st.integers(0, 9)) == 0}
        bytes_max, weight_max = places * SIZE, 100
        proposal = self.pool.proposal(bytes_max=bytes_max, weight_max=weight_max)
        found = []
        for one in proposal:
            found.append(one.id)
            if one.id in failing:
                proposal.failed()
            else:
                proposal.spent(weights[one.id])
        expected = self.model.proposal(bytes_max, weight_max, weights, failing)
        assert found == [one.id for one in expected]

    @invariant()
    def what_waits_is_what_should_and_within_all_limits(self) -> None:
        waiting, limits = self.model.waiting, self.model.limits
        status = self.pool.status()
        assert (status["transactions"], status["bytes"]) == (
            len(waiting),
            sum(map(size_of, waiting)),
        )
        assert all(one.id in self.pool for one in waiting)
        assert len(waiting) <= limits.transactions
        assert sum(map(size_of, waiting)) <= limits.bytes
        for name in NAMES:
            mine = self.model.of(account_of(name)).values()
            assert len(mine) <= limits.sender_transactions
            assert sum(map(size_of, mine)) <= limits.sender_bytes
            assert sum(map(fee_of, mine)) <= self.accounts.free_uthb(account_of(name))

    @invariant()
    def a_block_could_hold_exactly_what_waits_without_a_hole(self) -> None:
        ready = [x for x in self.model.waiting if nonce_of(x) < self.model.hole(sender_of(x))]
        assert sorted(x.id for x in all_of(self.pool)) == sorted(x.id for x in ready)
        assert self.pool.has_ready() == bool(ready)


TestMempoolMachine = MempoolMachine.TestCase
TestMempoolMachine.settings = settings(max_examples=60, stateful_step_count=25)
