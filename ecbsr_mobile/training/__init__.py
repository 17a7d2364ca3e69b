"""Training: settings, crops, losses, one step and the loop around it."""
