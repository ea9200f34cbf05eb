"""Joules of an image: windows of steady work beside a recording, and the rows made of them.

Here lives what works while a sensor is read. How sensors are read is of `calexnet.devices`.
"""
