"""Analyses that ask how a method works, not which cascade to ship: for studies of recipes.

Here lives what explains: effects, calibration, promises, shift. Nobody who deploys needs one.
"""
