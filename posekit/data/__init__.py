"""Data sets, one a file; each is reduced to the same `PoseSet` (see `poses`)."""
