"""Holds copies elsewhere: folders, and object stores."""
