"""A seeded simulation of consensus: real machines on a virtual network, clock and disk.

    python -m tests.sim --seeds 10000 --start 0        many seeds, with progress
    python -m tests.sim --seed 1234 --trace            one seed again, with its trace

A seed draws everything: delays, losses, duplicates, partitions, crashes at each point of
persistence, wiped disks, pauses, clock skew, and validators that lie. Then the network heals, and
the honest ones must finish. `invariants.py` says what must hold at every moment; `mutants.py` holds
machines that are broken on purpose, which the simulation must catch.
"""
