"""Passes over a graph on its way to TFLite: one idea a file, applied in place in a fixed order.

Here lives what changes graphs. Nothing here lowers an operator or writes a file.
"""
