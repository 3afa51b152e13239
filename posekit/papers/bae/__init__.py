"""bae: claims, sizes and counted structure."""
