"""Published versions: a reader gets one at any moment, and nothing is kept that nobody reads."""

from chain.trie.proof import Existence
from node.backend import Published
from tests.node.api.backend import ChainBackend


def is_whole(published: Published) -> bool:
    """Say whether proofs can be made of a version, and lead to its root."""
    key, value = next(iter(published.state.scan(b"", b"\xff" * 64)))
    proof = published.trie.prove(published.tip.version, key, lambda _: value)
    return isinstance(proof, Existence) and published.trie.contains(published.tip.version, key)


def test_a_reader_gets_a_version_while_the_next_is_committed_but_not_published() -> None:
    backend = ChainBackend()
    before = backend.publisher.newest
    # The chain goes on, and lets its old version go; nobody has published the new one.
    for _ in range(3):
        backend.chain.decide()
    assert before.trie.is_released(before.tip.version)
    with backend.publisher.pinned() as published:
        assert published is before
        assert is_whole(published)


def test_versions_are_let_go_when_their_last_reader_leaves() -> None:
    backend = ChainBackend()
    trie = backend.publisher.newest.trie
    for _ in range(5):
        backend.commit()
    kept = trie.versions_kept
    first, second = backend.publisher.pinned(), backend.publisher.pinned()
    with first, second as published:
        for _ in range(5):
            backend.commit()
            assert is_whole(published)
        assert trie.versions_kept > kept
    backend.commit()
    assert trie.versions_kept == kept
