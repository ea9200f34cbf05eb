"""From facts to sentences and tables, for the terminal, Markdown and the page alike.

Here lives every word about a report, made when it is read. It computes nothing that could be a
fact.
"""
