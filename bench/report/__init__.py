"""The facts of a report: settings, intervals, rows, decisions; codes and numbers, no sentence.

Here lives what ``report.json`` holds, and how it is written and read. It imports no other room of
`calexnet.bench`, and nothing here measures, computes or words.
"""
