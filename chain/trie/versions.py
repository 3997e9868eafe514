"""Versions of the trie: which there are, who reads them, and when their nodes are free again.

Versions form a tree. The oldest kept one is the base; every other one came from its parent by one
batch and knows the nodes that batch took, and those of its parent it does without (superseded).
From that follows what may be freed:

  - A version without children alone reaches the nodes it took: a candidate block that lost gives
    back its list.
  - When the base goes and leaves one child, nobody reaches what the child superseded. The child is
    the new base.
  - When a version between a parent and its one child goes, the child's batch and its own become
    one: what the one took and the other superseded is free, the rest of both lists is joined.
  - While a version has two children, its nodes stay: what one superseded, the other may reach.

So at any time the nodes in use are those that some kept version reaches. A released version is kept
as long as a reader has it pinned, or it has two children.

Threads. One thread owns the versions: it applies, releases, prunes and reclaims. Any thread may pin
and unpin. There is no lock. A reader adds its pin and then looks whether the version has been
released; the owner marks it released and then looks for pins. Under the interpreter lock one of the
two sees the other, so either the reader is refused, or the owner leaves the version alone until a
later call of its finds the pin gone. Pins are counted by the length of a list, because its append
and pop are single steps of the interpreter, and += is not.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chain.trie.nodes import TrieMisuseError
from chain.trie.pool import Pool

# How many versions `prune` keeps at most, the head included: one a height.
VERSIONS_KEPT_MAX: Final = 128

# How many superseded nodes `prune` lets the kept versions hold: about 100 MB with their lists.
SUPERSEDED_NODES_MAX: Final = 1_000_000

# A dict keeps its order, where a set would free nodes in an order of its own.
_Nodes: TypeAlias = "array[int] | dict[int, None]"


class VersionReleasedError(Exception):
    """A version that a reader asks for has been released; a newer one has to be used."""


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A state of the trie; it never changes."""

    root: int
    root_hash: bytes
    count: int


@dataclass(slots=True, eq=False)
class _Entry:
    """What is kept of a version beside its nodes. The base's two lists are empty."""

    version: Version
    parent: "_Entry | None"
    taken: _Nodes
    superseded: "array[int]"
    children: "list[_Entry]" = field(default_factory=list)
    pins: list[None] = field(default_factory=list)
    released: bool = False


class Versions:
    """The versions of one pool."""

    __slots__ = ("_entries", "_pool", "_superseded_nodes", "_waiting")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._entries: dict[Version, _Entry] = {}
        self._superseded_nodes = 0
        # The entries of released versions that are still kept.
        self._waiting: list[_Entry] = []

    @property
    def kept(self) -> int:
        """How many versions are kept, those released but still needed included."""
        return len(self._entries)

    @property
    def superseded_nodes(self) -> int:
        """How many nodes are in use that the next newer version does without."""
        return self._superseded_nodes

    def base(self, root: int, root_hash: bytes, count: int) -> Version:
        """Make the first version, to which all nodes in use belong."""
        if self._entries:
            raise TrieMisuseError("the versions of this pool have a base already")
        version = Version(root, root_hash, count)
        self._entries[version] = _Entry(version, None, array("q"), array("q"))
        return version

    def child(
        self, parent: Version, version: Version, taken: Iterable[int], superseded: Iterable[int]
    ) -> Version:
        """Add the version that a batch made of `parent`, with the nodes it took and superseded."""
        above = self._unreleased(parent)
        entry = _Entry(version, above, array("q", taken), array("q", superseded))
        above.children.append(entry)
        self._entries[version] = entry
        self._superseded_nodes += len(entry.superseded)
        return version

    def check_unreleased(self, version: Version) -> None:
        """Raise `TrieMisuseError` unless one may build on the version."""
        self._unreleased(version)

    def check_kept(self, version: Version) -> None:
        """Raise `TrieMisuseError` unless the version's nodes are there."""
        if version not in self._entries:
            raise TrieMisuseError("the version is released, or of another trie")

    def is_released(self, version: Version) -> bool:
        """Say whether a version has been let go; nobody can pin it any more."""
        entry = self._entries.get(version)
        return entry is None or entry.released

    def pin(self, version: Version) -> None:
        """Keep a version until `unpin`; any thread may call it.

        Raises `VersionReleasedError` where the owner has let it go.
        """
        entry = self._entries.get(version)
        if entry is None:
            raise VersionReleasedError
        entry.pins.append(None)
        if entry.released:
            entry.pins.pop()
            raise VersionReleasedError

    def unpin(self, version: Version) -> None:
        """Take back one `pin`; any thread may call it."""
        entry = self._entries.get(version)
        if entry is None or not entry.pins:
            raise TrieMisuseError("a version is unpinned that is not pinned")
        entry.pins.pop()

    def release(self, version: Version) -> None:
        """Let a version go: nobody may pin it or build on it again.

        Its nodes are freed now, or by a later call of the owner once its pins are gone. The last
        version cannot go: raises `TrieMisuseError`.
        """
        entry = self._unreleased(version)
        if len(self._entries) - len(self._waiting) == 1:
            raise TrieMisuseError("the only version of a trie cannot be released")
        entry.released = True
        self._waiting.append(entry)
        self.reclaim()

    def prune(
        self, head: Version, *, versions_kept_max: int, superseded_nodes_max: int
    ) -> list[Version]:
        """Release the oldest ancestors of `head` until the limits hold; never `head` itself.

        Gives those it released, oldest first. Pinned ones among them stay until they are unpinned.
        """
        ancestors: list[Version] = []
        above = self._unreleased(head).parent
        while above is not None:
            if not above.released:
                ancestors.append(above.version)
            above = above.parent
        released: list[Version] = []
        self.reclaim()
        while ancestors and (
            len(ancestors) + 1 > versions_kept_max or self._superseded_nodes > superseded_nodes_max
        ):
            oldest = ancestors.pop()
            self.release(oldest)
            released.append(oldest)
        return released

    def reclaim(self) -> None:
        """Free what released versions no longer need; the owner may call it at any time."""
        # A version that goes may let its parent go, so this repeats until nothing changes.
        progress = bool(self._waiting)
        while progress:
            progress = False
            still_waiting: list[_Entry] = []
            for entry in self._waiting:
                if entry.pins or len(entry.children) > 1:
                    still_waiting.append(entry)
                else:
                    self._drop(entry)
                    progress = True
            self._waiting = still_waiting

    def _unreleased(self, version: Version) -> _Entry:
        """Give the entry of a version one may build on."""
        entry = self._entries.get(version)
        if entry is None or entry.released:
            raise TrieMisuseError("the version is released, or of another trie")
        return entry

    def _drop(self, entry: _Entry) -> None:
        """Take out a version with at most one child, and free what only it reaches."""
        del self._entries[entry.version]
        self._superseded_nodes -= len(entry.superseded)
        above = entry.parent
        if entry.children:
            child = entry.children[0]
            if above is None:
                self._make_base(child)
            else:
                self._join_batches(entry, child)
            child.parent = above
        else:
            # Only the base has no parent, and without children it is the last version.
            self._pool.give_back(entry.taken)
        if above is not None:
            above.children.remove(entry)
            above.children.extend(entry.children)

    def _make_base(self, child: _Entry) -> None:
        """Free what the child superseded; nobody is left who reaches it."""
        self._superseded_nodes -= len(child.superseded)
        self._pool.give_back(child.superseded)
        child.taken = array("q")
        child.superseded = array("q")

    def _join_batches(self, entry: _Entry, child: _Entry) -> None:
        """Make one batch of an entry's and its child's, and free what lies between them.

        It takes time in proportion to the child's batch, however many have been joined before.
        """
        taken = entry.taken if isinstance(entry.taken, dict) else dict.fromkeys(entry.taken)
        superseded = entry.superseded
        between: list[int] = []
        for node in child.superseded:
            if node in taken:
                del taken[node]
                between.append(node)
            else:
                superseded.append(node)
        for node in child.taken:
            taken[node] = None
        self._superseded_nodes += len(superseded) - len(child.superseded)
        self._pool.give_back(between)
        child.taken = taken
        child.superseded = superseded
