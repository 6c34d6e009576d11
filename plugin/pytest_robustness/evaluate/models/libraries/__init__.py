"""Model libraries a suite can name, one file each."""
