"""Remembers: items, copies, jobs, events and the ledger, in SQLite or PostgreSQL."""
