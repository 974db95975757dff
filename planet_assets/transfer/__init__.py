"""Moves bytes: into a part file, checked, and placed under the final name. Knows nothing of Planet."""
