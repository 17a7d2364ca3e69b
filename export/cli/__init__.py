"""The command lines of this package; nothing else in it prints."""
