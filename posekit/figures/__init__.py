"""Plotly and matplotlib figures."""
