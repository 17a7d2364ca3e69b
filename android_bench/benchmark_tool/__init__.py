"""TFLite's benchmark tool: its file, its flags, its log, and the status of a run."""
