"""Passes over a graph on its way to TFLite: one idea a file, applied in place in a fixed order."""
