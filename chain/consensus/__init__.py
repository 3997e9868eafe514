"""Consensus: Tendermint for a set of equal validators, as a pure machine.

    inputs ──► Machine.handle ──► effects        one call, no clock, no chance, no I/O

The files, from the inside out:

    rules.py      Algorithm 1 of arXiv 1807.04938, each rule with its line
    votes.py      counts votes and tallies; keeps the messages of rounds ahead
    blocks.py     the blocks of the height and what execution said of them
    voice.py      what this validator says: draft, signature, log record, message, in this order
    exchange.py   what to send a peer whose status shows that it lacks something
    machine.py    checks every input, feeds the rules, moves from height to height
    timing.py     timeouts, the proposer's time, when a block is due
    evidence.py   contradicting statements: found, collected once, verified
    log.py        the signer's log: its records and their frames
    guard.py      may this statement be signed; what a restart may still sign
    wiped.py      when a validator without its log may sign again
    inputs.py, effects.py, messages.py   the vocabulary

Source: PROTOCOL §2 and §5.
"""
