"""A suite's models: loading them, wrapping them as classifiers and identifying them."""
