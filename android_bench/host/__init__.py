"""Benchmarking on this machine."""
