"""Lanes: where the tensors of one batch live on their way through a cascade, and a pool of them.

Here lives what moves and gathers tensors. Who leaves is decided by the graphs, and read by the
runner.
"""
