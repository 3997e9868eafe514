"""What tests share: people with keys, a small genesis, and a world that executes blocks."""
