"""Float TFLite graph → int8 TFLite graph; `int8.int8_graph` is the entry point."""
