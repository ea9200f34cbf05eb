"""The tables of a report: one family of columns a file, in the order that `order` gives.

A table is made of facts and says each column once, for all renderers.
"""
