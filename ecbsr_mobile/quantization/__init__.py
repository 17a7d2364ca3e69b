"""int8: scales and zero points, and the simulation of an int8 network in PyTorch."""
