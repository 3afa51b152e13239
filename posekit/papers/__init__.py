"""One folder for each paper: its claims, sizes and networks as data."""
