"""The base page and style of all HTML pages, and the before/after page of upscaled images."""
