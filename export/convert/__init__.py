"""Plain network → ONNX → float TFLite graph."""
