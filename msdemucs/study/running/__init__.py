"""Who runs trials: this process, several, other hosts, a Ray cluster."""
