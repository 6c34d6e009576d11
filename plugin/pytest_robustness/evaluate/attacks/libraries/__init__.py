"""Attacks of other libraries, one file each: what is known of them, and how they are called."""
