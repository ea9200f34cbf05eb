"""The report as one offline page: figures, markup, the what-if panel.

Here lives what is only seen in a browser. It takes facts, numbers and words, and adds none.
"""
