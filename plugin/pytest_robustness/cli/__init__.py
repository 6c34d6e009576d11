"""`python -m pytest_robustness COMMAND`: one file a command."""
