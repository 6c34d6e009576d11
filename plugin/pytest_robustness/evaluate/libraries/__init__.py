"""Libraries whose models a suite can name: how they are built, what they expect, where their weights are."""
