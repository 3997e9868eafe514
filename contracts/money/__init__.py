"""Accounts and keys, SparkTHB credit, NRG token."""
