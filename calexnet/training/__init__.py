"""The wing that torch lives in: backbones, branches, heads, methods, and the cascade they make.

Nothing outside imports torch but `calexnet.sweep` and the capture of graphs in `calexnet.export`.
"""
