"""Benchmarking on a phone over adb."""
