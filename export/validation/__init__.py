"""What a file costs in quality, measured on sample images."""
