"""Reusable parts of the platforms: one component a file, no configuration read."""
