"""The working copy of the state: overlays, ranges and weight against a plain dictionary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.store import MemoryState
from contracts.kernel import OutOfWeight
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import KEY_BYTES_MAX, VALUE_BYTES_MAX, State, after

UNLIMITED = 2**62
TABLES = (b"\x10\x01", b"\x10\xff", b"\x11\x00")
# Few distinct keys, so that writes meet each other; runs of ff bytes sit at the ends of prefixes.
KEYS = st.builds(
    lambda table, rest: table + rest,
    st.sampled_from(TABLES),
    st.sampled_from((b"", b"\0", b"\0\0", b"a", b"a\0", b"a\xff", b"b", b"\xff", b"\xff\xff")),
)
VALUES = st.sampled_from((b"1", b"2", b"three"))

Model = dict[bytes, bytes]
Pairs = list[tuple[bytes, bytes]]


def state_over(base: Model, limit: int = UNLIMITED) -> State:
    held = MemoryState()
    held.write(sorted(base.items()))
    return State(held, Meter(WeightTable(), limit))


def expected(model: Model, start: bytes, end: bytes, *, reverse: bool) -> Pairs:
    return sorted(((k, v) for k, v in model.items() if start <= k < end), reverse=reverse)


class StateMachine(RuleBasedStateMachine):
    """Writes, nested savepoints and ranges in any order, beside a dictionary for each savepoint."""

    @initialize(base=st.dictionaries(KEYS, VALUES))
    def begin(self, base: Model) -> None:
        self.base = base
        self.model = dict(base)
        self.state = state_over(base)
        self.marks: list[tuple[int, Model]] = []

    @rule(key=KEYS, value=VALUES)
    def put(self, key: bytes, value: bytes) -> None:
        self.state.put(key, value)
        self.model[key] = value

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        self.state.put(key, None)
        self.model.pop(key, None)

    @rule()
    def savepoint(self) -> None:
        self.marks.append((self.state.savepoint(), dict(self.model)))

    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        if self.marks:
            depth = data.draw(st.integers(0, len(self.marks) - 1))
            mark, self.model = self.marks[depth]
            del self.marks[depth:]
            self.state.rollback(mark)

    @rule()
    def settle(self) -> None:
        self.state.settle()
        self.marks.clear()

    @rule(table=st.sampled_from(TABLES), a=KEYS, b=KEYS, reverse=st.booleans())
    def scan(self, table: bytes, a: bytes, b: bytes, reverse: bool) -> None:
        start, end = sorted((table + a[2:], table + b[2:]))
        found = list(self.state.scan(start, end, reverse=reverse))
        assert found == expected(self.model, start, end, reverse=reverse)

    @rule(table=st.sampled_from(TABLES), reverse=st.booleans())
    def scan_a_whole_table(self, table: bytes, reverse: bool) -> None:
        found = list(self.state.scan(table, after(table), reverse=reverse))
        assert found == expected(self.model, table, after(table), reverse=reverse)

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.state.get(key) == self.model.get(key)

    @invariant()
    def changes_are_the_difference_from_the_base(self) -> None:
        keys = sorted(self.base.keys() | self.model.keys())
        assert self.state.changes() == [
            (k, self.model.get(k)) for k in keys if self.model.get(k) != self.base.get(k)
        ]


TestStateMachine = StateMachine.TestCase
TestStateMachine.settings = settings(max_examples=150, stateful_step_count=40)

WRITES = st.lists(st.tuples(st.sampled_from(("put", "delete", "rollback")), KEYS, VALUES))


@given(base=st.dictionaries(KEYS, VALUES), steps=st.lists(WRITES), reverse=st.booleans())
def test_an_iteration_sees_what_is_written_ahead_of_it(
    base: Model, steps: list[list[tuple[str, bytes, bytes]]], reverse: bool
) -> None:
    table = TABLES[0]
    state, model, todo = state_over(base), dict(base), iter(steps)
    begin = (state.savepoint(), dict(base))
    last: bytes | None = None
    for key, value in state.scan(table, after(table), reverse=reverse):
        ahead = [
            k
            for k in model
            if k[:2] == table and (last is None or (k < last if reverse else k > last))
        ]
        assert key == (max(ahead) if reverse else min(ahead))
        assert value == model[key]
        last = key
        for action, other, new in next(todo, []):
            if action == "rollback":
                state.rollback(begin[0])
                model = dict(begin[1])
            else:
                state.put(other, new if action == "put" else None)
                model.pop(other, None)
                if action == "put":
                    model[other] = new
    assert not [
        k for k in model if k[:2] == table and (last is None or (k < last if reverse else k > last))
    ]


@given(prefix=st.binary(min_size=1, max_size=6).filter(lambda p: p.strip(b"\xff") != b""))
def test_after_a_prefix_come_exactly_the_keys_that_do_not_have_it(prefix: bytes) -> None:
    bound = after(prefix)
    assert prefix + b"\xff" * 200 < bound
    longest_below = bound[:-1] + bytes((bound[-1] - 1,))
    assert prefix.startswith(longest_below), "the bound is the least one"


def test_no_key_comes_after_ff_bytes_only() -> None:
    with pytest.raises(AssertionError):
        after(b"\xff\xff")


@pytest.mark.parametrize(
    ("start", "end"), [(b"\x10\x01", b"\x10\x03"), (b"\x10\x01a", b"\x11"), (b"\x10\x01", b"")]
)
def test_a_range_never_leaves_its_table(start: bytes, end: bytes) -> None:
    with pytest.raises(AssertionError):
        list(state_over({}).scan(start, end))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\x10", b"1"),
        (bytes(KEY_BYTES_MAX + 1), b"1"),
        (b"\x10\x01", b""),
        (b"\x10\x01", bytes(VALUE_BYTES_MAX + 1)),
    ],
)
def test_keys_and_values_of_wrong_size_are_a_bug_of_ours(key: bytes, value: bytes) -> None:
    state = state_over({})
    with pytest.raises(AssertionError):
        state.put(key, value)
    assert state.changes() == []


def test_a_mark_of_settled_or_undone_writes_is_a_bug_of_ours() -> None:
    state = state_over({})
    outer = state.savepoint()
    state.put(b"\x10\x01", b"1")
    inner = state.savepoint()
    state.rollback(outer)
    with pytest.raises(AssertionError):
        state.rollback(inner)
    state.put(b"\x10\x01", b"1")
    inner = state.savepoint()
    state.settle()
    with pytest.raises(AssertionError):
        state.rollback(inner)
    assert state.changes() == [(b"\x10\x01", b"1")]


@given(model=st.dictionaries(KEYS, VALUES), written=st.sets(KEYS), key=KEYS)
def test_reading_weighs_the_same_from_the_base_and_from_own_writes(
    model: Model, written: set[bytes], key: bytes
) -> None:
    table = TABLES[0]
    plain = state_over(model)
    overlaid = state_over({k: v for k, v in model.items() if k not in written})
    for k in sorted(written & model.keys()):
        overlaid.put(k, model[k])
    for state in (plain, overlaid):
        state.meter.used = 0
        state.get(key)
        state.meter.charge(1_000_000)
        list(state.scan(table, after(table)))
    assert plain.meter.used == overlaid.meter.used


def test_every_access_weighs_its_entry_in_the_table_and_its_started_chunks() -> None:
    state, table = state_over({b"\x10\x01a": bytes(64), b"\x10\x01b": b"1"}), WeightTable()
    state.get(b"\x10\x01c")
    assert state.meter.used == table.read
    state.get(b"\x10\x01a")
    assert state.meter.used == 2 * table.read + table.chunk
    state.meter.used = 0
    state.put(b"\x10\x01c", bytes(65))
    assert state.meter.used == table.write + 2 * table.chunk
    state.meter.used = 0
    state.put(b"\x10\x01c", None)
    assert state.meter.used == table.write
    state.meter.used = 0
    assert len(list(state.scan(b"\x10\x01", b"\x10\x02"))) == 2
    assert state.meter.used == 3 * table.range_item + 2 * table.chunk, "c is stepped over"


def test_stepping_over_deleted_keys_is_charged_and_undone_writes_leave_no_trace() -> None:
    keys = [b"\x10\x01" + bytes((i,)) for i in range(10)]
    state, item = state_over(dict.fromkeys(keys[:5], b"1")), WeightTable().range_item
    mark = state.savepoint()
    list(state.scan(b"\x10\x01", b"\x10\x02"))
    with_five = state.meter.used
    for key in keys:
        state.put(key, None)
    state.meter.used = 0
    assert list(state.scan(b"\x10\x01", b"\x10\x02")) == []
    assert state.meter.used == 10 * item
    state.rollback(mark)
    state.meter.used = 0
    list(state.scan(b"\x10\x01", b"\x10\x02"))
    assert state.meter.used == with_five


@given(limit=st.integers(0, 2_000), model=st.dictionaries(KEYS, VALUES))
def test_at_the_limit_the_counter_shows_exactly_the_limit(limit: int, model: Model) -> None:
    free = state_over(model)
    list(free.scan(TABLES[0], after(TABLES[0])))
    state = state_over(model, limit)
    if free.meter.used <= limit:
        list(state.scan(TABLES[0], after(TABLES[0])))
        assert state.meter.used == free.meter.used
    else:
        with pytest.raises(OutOfWeight):
            list(state.scan(TABLES[0], after(TABLES[0])))
        assert state.meter.used == limit
