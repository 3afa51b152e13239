"""The pages and tables of results/."""
