"""Talks to Planet: HTTP in, model values out."""
