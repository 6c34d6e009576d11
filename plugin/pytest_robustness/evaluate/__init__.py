"""A case becomes a measurement. PyTorch, never pytest."""
