"""Exported networks, runtimes, timings, and prediction on people's own pictures."""
