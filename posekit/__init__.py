"""posekit: 3D human pose papers, reproduced number by number."""

__version__ = "0.1.0"
