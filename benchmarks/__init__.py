"""Measures planet_assets beside its peers: same machine, same run, in turns. `make bench` prints the table."""
