"""Serves: the tracker of a team over HTTP, with sign-in, elements, plans that wait for a yes, and a page to watch."""
