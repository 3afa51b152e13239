"""Pose errors (`errors`) and the published evaluation protocols (`protocols`, by kind; `registry`)."""
