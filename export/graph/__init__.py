"""From torch modules to ONNX graphs of ours: captured once, cut, gated, counted, serialised.

Here lives what makes portable graphs. It knows no target and no bundle.
"""
