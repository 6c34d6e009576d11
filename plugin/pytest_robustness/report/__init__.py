"""Verdicts become something to look at."""
