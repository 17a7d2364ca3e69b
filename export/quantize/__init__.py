"""Float TFLite graph → quantized: `int8.int8_graph`, and `int16x8.int16x8_graph` for 16-bit activations."""
