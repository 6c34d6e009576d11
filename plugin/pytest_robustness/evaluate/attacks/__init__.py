"""The attacks a suite can name. ``registry`` finds them without importing torch."""
