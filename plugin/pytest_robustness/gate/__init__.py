"""A measurement and a baseline become a verdict. Plain data and numpy, never torch or pytest."""
