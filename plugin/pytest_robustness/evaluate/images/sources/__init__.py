"""Data sets that people have, as images with labels: a file a kind, with a function that returns a ``Source``."""
