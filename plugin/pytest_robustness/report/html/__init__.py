"""The page: one HTML file without scripts."""
