"""The life of versions: what is freed, what is never used again too early, and readers' threads."""

import sys
import threading
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chain.trie.nodes import TrieMisuseError
from chain.trie.proof import Existence
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence
from chain.trie.versions import Version, VersionReleasedError
from tests.chain.trie.reference import (
    Writes,
    applied,
    in_use,
    open_trie,
    reachable,
    reference_root,
    sorted_writes,
    writes_strategy,
)

Items = dict[bytes, bytes]


class VersionsMachine(RuleBasedStateMachine):
    """Any tree of versions, released, pinned and pruned in any order."""

    def __init__(self) -> None:
        super().__init__()
        items: Items = {b"\x00\x00": b"sentinel"}
        self.trie, base, self.pool = open_trie(items)
        # What each version that is not released has to hold, and its parent.
        self.states: dict[Version, Items] = {base: items}
        self.parents: dict[Version, Version | None] = {base: None}
        # Pinned versions with their number of pins; they may be released.
        self.pins: dict[Version, int] = {}
        self.pinned_states: dict[Version, Items] = {}

    def _pick(self, data: st.DataObject) -> Version:
        return data.draw(st.sampled_from(list(self.states)))

    @rule(data=st.data(), writes=writes_strategy)
    def apply(self, data: st.DataObject, writes: Writes) -> None:
        parent = self._pick(data)
        version = self.trie.apply(parent, sorted_writes(writes))
        self.states[version] = applied(self.states[parent], writes)
        self.parents[version] = parent

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        version = self._pick(data)
        if len(self.states) == 1:
            with pytest.raises(TrieMisuseError):
                self.trie.release(version)
            return
        self.trie.release(version)
        del self.states[version]
        with pytest.raises(TrieMisuseError):
            self.trie.release(version)
        with pytest.raises(VersionReleasedError):
            self.trie.pin(version)
        with pytest.raises(TrieMisuseError):
            self.trie.apply(version, [(b"\x00\x01", b"late")])

    @rule(data=st.data())
    def pin(self, data: st.DataObject) -> None:
        version = self._pick(data)
        self.trie.pin(version)
        self.pins[version] = self.pins.get(version, 0) + 1
        self.pinned_states[version] = self.states[version]

    @precondition(lambda self: self.pins)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(list(self.pins)))
        self.trie.unpin(version)
        self.pins[version] -= 1
        if not self.pins[version]:
            del self.pins[version]
            del self.pinned_states[version]

    @rule(data=st.data(), versions=st.integers(1, 4), nodes=st.integers(0, 60))
    def prune(self, data: st.DataObject, versions: int, nodes: int) -> None:
        head = self._pick(data)
        released = self.trie.prune(head, versions_kept_max=versions, superseded_nodes_max=nodes)
        ancestors = list(self._ancestors(head))
        # The oldest ancestors went, from the oldest on, and only they.
        assert released == ancestors[::-1][: len(released)]
        for version in released:
            del self.states[version]
        assert len(ancestors) - len(released) + 1 <= max(versions, 1)
        assert not self.trie.is_released(head)

    def _ancestors(self, version: Version) -> Iterator[Version]:
        above = self.parents[version]
        while above is not None:
            if above in self.states:
                yield above
            above = self.parents[above]

    def _needed(self) -> list[Version]:
        """Give the versions that have to be there: unreleased, pinned, or where such ones part."""
        needed = [*self.states, *(version for version in self.pins if version not in self.states)]
        found = dict.fromkeys(needed)
        # A released version with two children that lead to needed ones stays as well.
        for version in self.parents:
            below = [child for child, parent in self.parents.items() if parent is version]
            if sum(self._leads_to(child, found) for child in below) > 1:
                found[version] = None
        return list(found)

    def _leads_to(self, version: Version, needed: dict[Version, None]) -> bool:
        below = [child for child, parent in self.parents.items() if parent is version]
        return version in needed or any(self._leads_to(child, needed) for child in below)

    @invariant()
    def kept_versions_hold_what_they_held(self) -> None:
        for version, items in {**self.pinned_states, **self.states}.items():
            assert version.root_hash == reference_root(items)
            assert version.count == len(items)
            assert all(self.trie.matches(version, key, value) for key, value in items.items())
            leaves = {node for node in reachable(self.pool, version.root) if node < 0}
            assert {self.pool.key(leaf) for leaf in leaves} == set(items)

    @invariant()
    def what_is_in_use_is_what_kept_versions_reach(self) -> None:
        self.trie.reclaim()
        needed = self._needed()
        assert self.trie.versions_kept == len(needed)
        reached: set[int] = set()
        for version in needed:
            reached |= reachable(self.pool, version.root)
        assert in_use(self.pool) == reached

    @invariant()
    def superseded_nodes_are_those_that_the_next_kept_version_does_without(self) -> None:
        self.trie.reclaim()
        needed = self._needed()
        count = 0
        for version in needed:
            above = self.parents[version]
            while above is not None and above not in needed:
                above = self.parents[above]
            if above is not None:
                given_up = reachable(self.pool, above.root) - reachable(self.pool, version.root)
                count += len(given_up)
        assert self.trie.superseded_nodes == count

    @invariant()
    def nothing_is_free_twice(self) -> None:
        assert len(set(self.pool.free)) == len(self.pool.free)
        assert all(len(set(free)) == len(free) for free in self.pool.free_keys)


TestVersionsMachine = VersionsMachine.TestCase
TestVersionsMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def _chain(trie: Trie, version: Version, length: int) -> list[Version]:
    """Apply some blocks of a hundred writes, one after the other."""
    versions = [version]
    for height in range(length):
        writes = [(b"%06d" % number, b"%d" % height) for number in range(0, 1000, 10)]
        versions.append(trie.apply(versions[-1], writes))
    return versions


def _numbered(count: int) -> Items:
    return {b"%06d" % number: b"value" for number in range(count)}


def test_pruning_bounds_versions_and_nodes() -> None:
    trie, base, pool = open_trie(_numbered(1000))
    *older, head = _chain(trie, base, 20)
    assert trie.prune(head, versions_kept_max=8, superseded_nodes_max=10**6) == older[:13]
    assert trie.versions_kept == 8
    superseded = trie.superseded_nodes
    assert len(in_use(pool)) == len(reachable(pool, head.root)) + superseded
    # Seven batches alike were superseded; the bound leaves room for three.
    assert (
        trie.prune(head, versions_kept_max=8, superseded_nodes_max=superseded * 3 // 7)
        == older[13:17]
    )
    assert trie.superseded_nodes == superseded * 3 // 7
    assert trie.prune(head, versions_kept_max=1, superseded_nodes_max=0) == older[17:]
    assert trie.superseded_nodes == 0
    assert in_use(pool) == reachable(pool, head.root)


def test_a_steady_chain_needs_no_more_memory_than_its_window() -> None:
    trie, version, pool = open_trie(_numbered(1000))
    sizes: list[int] = []
    for _ in range(30):
        version = _chain(trie, version, 10)[-1]
        trie.prune(version, versions_kept_max=10, superseded_nodes_max=10**6)
        sizes.append(len(pool.nodes) + sum(map(len, pool.keys)))
    assert sizes[2:] == sizes[2:3] * 28


def test_a_long_pin_holds_back_its_own_version_and_nothing_else() -> None:
    trie, base, pool = open_trie(_numbered(1000))
    trie.pin(base)
    head = base
    for _ in range(50):
        head = _chain(trie, head, 1)[-1]
        trie.prune(head, versions_kept_max=1, superseded_nodes_max=10**6)
        assert trie.versions_kept == 2
        assert in_use(pool) == reachable(pool, base.root) | reachable(pool, head.root)
    assert trie.matches(base, b"000000", b"value")
    trie.unpin(base)
    trie.reclaim()
    assert trie.versions_kept == 1
    assert in_use(pool) == reachable(pool, head.root)
    with pytest.raises(TrieMisuseError):
        trie.matches(base, b"000000", b"value")


def test_unpinning_what_is_not_pinned_is_refused() -> None:
    trie, base, _ = open_trie({b"a": b"1"})
    with pytest.raises(TrieMisuseError):
        trie.unpin(base)
    with trie.pinned(base):
        pass
    with pytest.raises(TrieMisuseError):
        trie.unpin(base)


def test_freeing_a_node_twice_is_refused() -> None:
    _, base, pool = open_trie({b"a": b"1", b"b": b"2"})
    pool.give_back([base.root])
    with pytest.raises(TrieMisuseError):
        pool.give_back([base.root])


def test_readers_in_other_threads_see_their_version_while_the_owner_goes_on() -> None:
    items = _numbered(300)
    trie, version, pool = open_trie(items)
    published = [(version, items)]
    finished = threading.Event()
    answers: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        count = 0
        try:
            while not finished.is_set() or not count:
                version, state = published[-1]
                try:
                    with trie.pinned(version):
                        for number in range(0, 330, 7):
                            key = b"%06d" % number
                            proof = trie.prove(version, key, state.__getitem__)
                            if isinstance(proof, Existence):
                                verify_existence(version.root_hash, key, state[key], proof)
                            else:
                                assert key not in state
                                verify_absence(version.root_hash, key, proof)
                            count += 1
                except VersionReleasedError:
                    continue
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        answers.append(count)

    readers = [threading.Thread(target=read) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        for height in range(150):
            # The pool grows, places of keys are freed and taken again, nodes are used again.
            digest = sha256(b"%d" % height).digest()
            writes: Writes = {b"%06d" % (3 * byte): None for byte in digest[:16]}
            writes |= {b"%06d" % (3 * byte + height % 3): b"%d" % height for byte in digest[16:]}
            items = applied(items, writes)
            version = trie.apply(version, sorted_writes(writes))
            published.append((version, items))
            trie.prune(version, versions_kept_max=2, superseded_nodes_max=10**6)
    finally:
        finished.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(interval)
    assert not failures
    assert all(answers)
    trie.prune(version, versions_kept_max=1, superseded_nodes_max=0)
    assert version.root_hash == reference_root(items)
    assert in_use(pool) == reachable(pool, version.root)
