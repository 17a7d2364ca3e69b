"""TFLite's benchmark tool: where it comes from, its flags, its log, and what a run of it is worth."""
