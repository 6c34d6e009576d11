"""Attacks of other libraries, one module each: what is known of them, and how they are called."""
