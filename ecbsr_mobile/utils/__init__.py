"""Files, programs, signals and progress: nothing here knows what a network is."""
