"""Plain data: what is stored and what is sent between processes. Needs neither torch nor pytest."""
