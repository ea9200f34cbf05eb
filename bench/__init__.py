"""Timing, statistics, crossover and report; ``calexnet-bench``."""
