"""The command lines of the package `export`; no other module of it prints."""
