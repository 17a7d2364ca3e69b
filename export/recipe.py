"""The former place of `ecbsr_mobile.tflite.recipe`."""

from ecbsr_mobile.tflite.recipe import NAME, SCHEMA, model, read, versions, weights_hash, write

__all__ = ["NAME", "SCHEMA", "model", "read", "versions", "weights_hash", "write"]
