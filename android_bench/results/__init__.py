"""The results of a benchmark: rows, statistics, journal and JSON."""
