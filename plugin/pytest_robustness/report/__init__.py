"""Reports of a run: tables in the terminal, Markdown, JSON data and an HTML page."""
