"""Readers of file formats that run nothing from a file."""
