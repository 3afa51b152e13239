"""kim: claims, sizes and counted structure."""
