"""Joules of an image: windows of steady work beside a recording, and the rows made of them."""
