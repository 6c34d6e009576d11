"""Parts of crash_stress.py: what a trial is, what is done to it, and what must not be seen after it."""
