"""A pool of pieces: every part of some networks that a cascade could be put together from.

A cut stops a runtime's fusion, so what lies on both sides of it does not add up to what is not cut
there. So each piece is the very graph that an export would write, and is timed as that
(`calexnet.bench.costs`). `writing` makes a pool; `document` reads one, with numpy alone.
"""
