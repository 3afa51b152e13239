"""tran2022: claims, sizes and counted structure."""
