"""A suite's models: loaded, wrapped as classifiers, identified."""
