"""Which delegate supports which operators of a `.tflite`, and why not the others."""
