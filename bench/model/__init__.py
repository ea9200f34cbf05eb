"""Numbers from numbers: statistics, prediction, validity, the decision, comparison of two reports.

Here lives what computes on measured times and facts, on any machine. It measures nothing, opens no
bundle and says no sentence.
"""
