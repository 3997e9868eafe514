"""A light client: what a node says is read, checked for size and form, and shown to be final."""
