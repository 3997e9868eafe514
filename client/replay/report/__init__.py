"""The report of a replay: from the chain's events to figures, a fingerprint, pictures and pages.

`collect` makes the facts of the chain's events, `figures` all that is told of them; `canonical` is
what two equal runs share to the byte; `terminal`, `pictures` and `html` show it.
"""
