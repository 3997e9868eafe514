"""System contracts: the market's rules, run in every block's state transition."""
