"""Doors that keep other tools' names."""
