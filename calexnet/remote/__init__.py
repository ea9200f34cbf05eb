"""A command carried out on a board, over the system's own ``ssh``: sent, watched, brought back.

`errand` is the whole way. `keeper` alone runs on the board, from the same wheel.
"""
