"""From a bundle and a device to facts: what is timed, how, under which conditions.

Here lives what runs networks, clocks and sensors, and fills a report. It imports facts and numbers,
never words or pages.
"""
