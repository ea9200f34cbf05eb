"""Engines: one compiled segment each, opened at once, when needed, or from the user's cache."""
