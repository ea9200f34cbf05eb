"""Many trainings of one cascade: method x head x margin x seed, a file of results for each.

A cell is a pure function of its spec and the data (`calexnet.sweep.cell`); what runs cells, here
local processes (`calexnet.sweep.engine`), knows nothing of what they do.
"""
