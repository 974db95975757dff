"""The shell's door: `planet-assets`."""
