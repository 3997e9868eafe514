"""The protocol, pure: blocks, trie, consensus machine, mempool, execution, light verification."""
