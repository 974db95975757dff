"""Walks the path of a scene: search, plan, confirm, run, acquire."""
