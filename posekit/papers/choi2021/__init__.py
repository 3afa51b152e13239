"""choi2021: claims, sizes and counted structure."""
