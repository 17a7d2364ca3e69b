"""Float TFLite graph → int8 TFLite graph."""
