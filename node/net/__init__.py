"""The node's side of the network: what its parts say to those of other nodes.

    protocols.py   names and limits of everything that is said
    line.py        consensus messages to and from every peer
    blocks.py      fetching and serving blocks

How bytes travel, and who is let in, is `p2p/`.
"""
