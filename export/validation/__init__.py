"""Loss of image quality, measured on sample images against onnxruntime."""
