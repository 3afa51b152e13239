"""The studio: a generated data set of poses and pictures."""
