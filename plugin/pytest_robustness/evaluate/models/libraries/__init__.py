"""Model libraries a suite can name, one module each."""
