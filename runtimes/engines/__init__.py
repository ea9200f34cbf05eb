"""Engines: one compiled segment each, opened at once, when needed, or from the user's cache.

Here lives what knows one segment at one shape. Batches, gathering and exits are the runner's.
"""
