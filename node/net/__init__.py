"""The node's side of the network: what its parts say to those of other nodes.

    protocols.py   names and limits of everything that is said
    line.py        consensus messages to and from every peer
    blocks.py      fetching and serving the blocks of the height under way
    history.py     fetching and serving decided blocks
    sync.py        catching up with the others
    relay.py       telling others of transactions, and hearing of theirs
    directory.py   who is let in, and where they are
    session.py     all of it over one host, for as long as that lives
    net.py         the engine's outbox, and the supervisor of sessions

How bytes travel, and who is let in, is `p2p/`.
"""
