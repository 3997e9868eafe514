"""The replay: households of a real grid trade a real week on the chain, over RPC alone."""
