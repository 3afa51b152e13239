"""Claims of the papers, measurements, statistics and verdicts."""
