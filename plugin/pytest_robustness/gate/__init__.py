"""Turns a measurement and a baseline into a verdict. Uses plain data and numpy, never torch or pytest."""
