"""The report page about the results of a benchmark."""
