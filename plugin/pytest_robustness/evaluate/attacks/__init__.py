"""The attacks a suite can name. ``registry`` knows them without importing torch."""
