"""Tells in CI whether a change to an image classifier made it easier to attack."""
