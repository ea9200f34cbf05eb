"""What the pieces of a pool cost on this machine, and what any cascade put together from them does.

`measuring` times every piece in one interleaved run, `board` is what comes of it and is kept, and
`prediction` turns it into the mean time of a cascade.
"""
