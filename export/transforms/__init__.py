"""Edits of a TFLite graph that keep its function: PReLU per target, float16 constants, I/O data type."""
