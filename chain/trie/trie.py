"""The authenticated trie: versions of a map from keys to values, each with one root hash.

The trie holds keys and the hashes of values; values themselves lie elsewhere, and whoever asks for
a proof hands in `value_of`. See `chain.trie.nodes` for shape and hashes, `chain.trie.pool` for the
memory, `chain.trie.versions` for the life of versions and which thread may do what.

    trie, genesis = Trie.from_sorted(items)
    candidate = trie.apply(genesis, writes)     # genesis stays as it is
    proof = trie.prove(candidate, key, store.get)
    trie.release(loser)
    trie.prune(candidate)
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

from chain.trie.batch import Batch
from chain.trie.build import build_sorted
from chain.trie.nodes import TrieMisuseError, check_key, check_value
from chain.trie.pool import NONE, Pool
from chain.trie.proof import Absence, Existence, RangeProof
from chain.trie.prove import ValueOf, prove, prove_range
from chain.trie.versions import SUPERSEDED_NODES_MAX, VERSIONS_KEPT_MAX, Version, Versions
from chain.trie.walk import find, matches


class Trie:
    """All versions of one trie, in one pool."""

    __slots__ = ("_pool", "_versions")

    def __init__(self, pool: Pool, versions: Versions) -> None:
        self._pool = pool
        self._versions = versions

    @classmethod
    def empty(cls) -> "tuple[Trie, Version]":
        """Make a trie without keys. It has a root, but nothing can be proven of it."""
        return cls.from_sorted(())

    @classmethod
    def from_sorted(cls, items: Iterable[tuple[bytes, bytes]]) -> "tuple[Trie, Version]":
        """Build a trie from (key, value) pairs, keys strictly ascending; linear."""
        return cls.from_sorted_hashes((key, _hash_of(value)) for key, value in items)

    @classmethod
    def from_sorted_hashes(cls, items: Iterable[tuple[bytes, bytes]]) -> "tuple[Trie, Version]":
        """Build a trie from (key, SHA-256 of value) pairs, keys strictly ascending; linear."""
        pool = Pool()
        versions = Versions(pool)
        return cls(pool, versions), versions.base(*build_sorted(pool, items))

    def apply(self, parent: Version, writes: Sequence[tuple[bytes, bytes | None]]) -> Version:
        """Make the version that follows `parent` by `writes`, keys strictly ascending.

        A value of None deletes its key; deleting an absent key does nothing. `parent` stays valid.
        Raises `TrieMisuseError`, having changed nothing, for keys out of order, of a wrong length,
        or beginning another key of the parent or the batch.
        """
        self._versions.check_unreleased(parent)
        self._versions.reclaim()
        keys: list[bytes] = []
        value_hashes: list[bytes | None] = []
        previous = b""
        for key, value in writes:
            check_key(key)
            if key <= previous:
                raise TrieMisuseError(f"keys must ascend: {key.hex()} follows {previous.hex()}")
            previous = key
            keys.append(key)
            value_hashes.append(None if value is None else _hash_of(value))
        batch = Batch(self._pool, parent.root, parent.root_hash)
        root, root_hash = batch.run(keys, value_hashes)
        version = Version(root, root_hash, parent.count + batch.added)
        return self._versions.child(parent, version, batch.taken, batch.superseded)

    def contains(self, version: Version, key: bytes) -> bool:
        """Say whether the version has `key`."""
        self._versions.check_kept(version)
        return find(self._pool, version.root, key) != NONE

    def matches(self, version: Version, key: bytes, value: bytes | None) -> bool:
        """Say whether the value of `key` is `value`, or with None, whether there is no such key.

        So what a database answers can be compared with the state that the root stands for.
        """
        self._versions.check_kept(version)
        return matches(self._pool, (version.root, version.root_hash), key, value)

    def prove(self, version: Version, key: bytes, value_of: ValueOf) -> Existence | Absence:
        """Prove that the version has `key`, or that it has not.

        `value_of` gives the values of this version; raises `TrieMisuseError` if one does not match.
        """
        self._versions.check_kept(version)
        return prove(self._pool, (version.root, version.root_hash), key, value_of)

    def prove_range(
        self,
        version: Version,
        start: bytes,
        end: bytes,
        limit: int,
        value_of: ValueOf,
    ) -> RangeProof:
        """Prove the items with start ≤ key < end: all of them, or the first `limit` and a cursor.

        The next page starts at the cursor. `value_of` as for `prove`.
        """
        self._versions.check_kept(version)
        root = (version.root, version.root_hash)
        return prove_range(self._pool, root, (start, end), limit, value_of)

    def pin(self, version: Version) -> None:
        """Keep the nodes of a version until `unpin`; any thread may call it.

        Raises `VersionReleasedError` where the owner has let it go. Pins are for one answer, not
        for a session: what a pinned version alone reaches is not counted by any limit.
        """
        self._versions.pin(version)

    def unpin(self, version: Version) -> None:
        """Take back one `pin`; any thread may call it."""
        self._versions.unpin(version)

    @contextmanager
    def pinned(self, version: Version) -> Iterator[Version]:
        """Pin a version for the length of a `with` block; any thread may do so."""
        self._versions.pin(version)
        try:
            yield version
        finally:
            self._versions.unpin(version)

    def release(self, version: Version) -> None:
        """Let a version go; its nodes are freed once neither pin nor other version needs them."""
        self._versions.release(version)

    def reclaim(self) -> None:
        """Free what released versions held for readers that are gone; `apply` does so as well."""
        self._versions.reclaim()

    def prune(
        self,
        head: Version,
        *,
        versions_kept_max: int = VERSIONS_KEPT_MAX,
        superseded_nodes_max: int = SUPERSEDED_NODES_MAX,
    ) -> list[Version]:
        """Release the oldest ancestors of `head` until the limits hold; gives those released."""
        return self._versions.prune(
            head,
            versions_kept_max=versions_kept_max,
            superseded_nodes_max=superseded_nodes_max,
        )

    def is_released(self, version: Version) -> bool:
        """Say whether a version has been let go; nobody can pin it any more."""
        return self._versions.is_released(version)

    @property
    def versions_kept(self) -> int:
        """How many versions are kept, those released but still needed included."""
        return self._versions.kept

    @property
    def superseded_nodes(self) -> int:
        """How many nodes are in use that the next newer version does without."""
        return self._versions.superseded_nodes

    @property
    def nodes_used(self) -> int:
        """How many inner nodes all kept versions have."""
        return self._pool.nodes_used

    @property
    def bytes_held(self) -> int:
        """The bytes of the pool's arrays, without what the allocator adds."""
        return self._pool.bytes_held


def _hash_of(value: bytes) -> bytes:
    """Hash a value, having checked it."""
    check_value(value)
    return sha256(value).digest()
