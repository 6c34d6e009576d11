"""Models that are not built from Python: files that hold program and weights, and functions. One module per format."""
