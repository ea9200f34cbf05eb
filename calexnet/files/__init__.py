"""Reading and writing files that may be damaged, hostile or cut off, and never half writing one.

Here lives how files and their formats are read and kept. What they say is for those who ask.
"""
