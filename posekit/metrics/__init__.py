"""Errors and the published evaluation protocols."""
