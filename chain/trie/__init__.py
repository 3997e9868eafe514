"""The authenticated state: a versioned trie, proofs of it, and their verification.

For the owner of the state: `Trie`, `Version`. For whoever only has a root: `chain.trie.verify`,
which needs neither the trie nor its memory.
"""
