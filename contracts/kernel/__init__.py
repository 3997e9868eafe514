"""The shared kernel: codec, numbers, storage, the contract base class, the market clock."""
