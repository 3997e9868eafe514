"""Execution: a block's transactions and due work, applied to a state by the system contracts."""
