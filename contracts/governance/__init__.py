"""Authorities and the chain's parameters."""
