"""Cuts pixels: takes a path and an ROI, knows nothing of jobs."""
