"""Which operators of a `.tflite` file each delegate supports, and why not the others."""
