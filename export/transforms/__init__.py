"""Edits of a TFLite graph that keep its function: PReLU per target, scaled channels, float16 constants, I/O dtype."""
