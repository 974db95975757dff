"""Draws: text for terminals, HTML and SVG for notebooks, without any network."""
