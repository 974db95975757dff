"""Writes, and reads, what other programs use: vector files and tables."""
