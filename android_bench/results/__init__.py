"""Results of a bench: rows, their statistics, their journal and their JSON."""
