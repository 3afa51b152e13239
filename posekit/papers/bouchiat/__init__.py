"""bouchiat: claims, sizes and counted structure."""
