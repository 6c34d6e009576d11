"""A measurement and a baseline become a verdict. Plain data and scipy, never torch or pytest."""
