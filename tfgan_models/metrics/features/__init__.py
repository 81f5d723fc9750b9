"""Feature extractors' networks, and where their weights come from."""
