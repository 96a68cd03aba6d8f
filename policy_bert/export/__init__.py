"""A checkpoint as an ONNX graph."""
