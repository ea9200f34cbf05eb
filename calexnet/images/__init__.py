"""From the pixels that a camera gives to what a network was trained on: size, then numbers.

Here lives what an app must do alike. Whole data sets and their files are of `calexnet.data`.
"""
