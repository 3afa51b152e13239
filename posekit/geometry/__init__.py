"""Skeletons, cameras, crops, body models and the renderer."""
