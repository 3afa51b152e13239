"""Motion of the studio's actors: fifteen actions on seven skeletons, as joint positions."""
