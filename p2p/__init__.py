"""The network: authenticated hosts, gossip and request streams over py-libp2p.

TCP, Noise and yamux only. What the library leaves open (who may connect, what one bad frame or one
failing handler does, what is remembered for ever) is closed here, by subclassing. (DESIGN §8.)
"""
