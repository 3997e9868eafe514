"""Markets, orders, the uniform-price auction, settlement."""
