"""Turns a case into a result, wherever it runs: measured, judged by its baseline, pictured where that is wanted."""
