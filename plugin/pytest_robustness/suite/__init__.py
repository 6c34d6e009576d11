"""The suite that a user asks for: one TOML file, read and validated."""
