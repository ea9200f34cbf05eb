"""ONNX files that nobody here wrote, brought to what the project takes a backbone to be."""
