"""Plain network → ONNX (`onnx_builder`) → float TFLite graph (`onnx_to_tflite`, or without ONNX `direct`)."""
