"""_template: claims, sizes and counted structure."""
