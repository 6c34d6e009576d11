"""The history of a suite's baselines as data, and how it is built from what git has."""
