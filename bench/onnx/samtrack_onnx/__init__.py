"""Exports the networks of the benchmarks from PyTorch to ONNX. See README.md beside this package."""
