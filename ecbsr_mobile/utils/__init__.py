"""Files, subprocesses, signals, progress bars and text: nothing here depends on networks or images."""
