"""The measurement of a case. This room uses PyTorch and never imports pytest."""
