"""The tables of the tracker: elements and where they are to be, what happened to them, people and their tokens.

An element is what a team says about a file, an edge or a comment, as JSON. `element_key` holds its values once more,
one row for each, so that a search by any key reads an index; it is written with the element, in one transaction. The
rank of a standing is minus its priority: the smallest goes first.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, text

from planet_assets.library.schema import Moment, metadata, serial

Exact = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared byte by byte on both engines."""


def _where(name: str, *columns: str, only: str) -> Index:
    """An index of the rows that are asked for."""
    return Index(name, *columns, sqlite_where=text(only), postgresql_where=text(only))


element = Table(
    "element",
    metadata,
    Column("id", Exact, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("parent", Exact),
    Column("src", Exact),
    Column("tgt", Exact),
    Column("doc", Text, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("author", Text),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Column("lock_owner", Text),
    Column("lock_until", Moment),
    _where("ix_element_parent", "parent", only="parent IS NOT NULL"),
    _where("ix_element_src", "src", only="src IS NOT NULL"),
    _where("ix_element_tgt", "tgt", only="tgt IS NOT NULL"),
    _where("ix_element_lock_owner", "lock_owner", only="lock_owner IS NOT NULL"),
)

element_key = Table(
    "element_key",
    metadata,
    Column("id", serial, primary_key=True, autoincrement=True),
    Column("element_id", Exact, ForeignKey("element.id"), nullable=False),
    Column("key", Exact, nullable=False),
    Column("kind", String(1), nullable=False),
    Column("text", Exact),
    Column("number", Double),
    Index("ix_element_key_element_id", "element_id", "key"),
    Index("ix_element_key_text", "key", "text", "element_id", "kind"),
    _where("ix_element_key_number", "key", "number", "element_id", only="number IS NOT NULL"),
)

element_event = Table(
    "element_event",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", String(20), nullable=False),
    Column("element_id", Exact, nullable=False, index=True),
    Column("rev", Integer, nullable=False),
    Column("data", Text, nullable=False),
)

standing = Table(
    "standing",
    metadata,
    Column("element_id", Exact, ForeignKey("element.id"), primary_key=True),
    Column("site", Exact, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("syncing_at", Moment),
    Column("synced_at", Moment),
    Column("tried_at", Moment),
    Column("modified_at", Moment),
    Column("error", Text),
    Column("error_code", Integer),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    _where(
        "ix_standing_waiting",
        "site",
        "rank",
        "wanted_at",
        "element_id",
        only="state IN ('wanted', 'failed')",
    ),
)

person = Table(
    "person",
    metadata,
    Column("name", Exact, primary_key=True),
    Column("role", String(10), nullable=False),
    Column("email", Text, unique=True),
    Column("full_name", Text, nullable=False),
    Column("secret", Text),
    Column("secret_kind", String(10), nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("signed_in_at", Moment),
)

token = Table(
    "token",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("person", Exact, ForeignKey("person.name"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)

attempt = Table(
    "attempt",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "name", "at"),
    Index(None, "address", "at"),
)

approval = Table(
    "approval",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("plan_id", String(64), nullable=False),
    Column("account", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("km2", Double),
    Column("document", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("posted_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment),
    Column("reason", Text, nullable=False),
    Column("by_rule", Boolean, nullable=False),
    Index(None, "state", "posted_at"),
)

approval_event = Table(
    "approval_event",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("approval_id", String(64), ForeignKey("approval.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("by", Text, nullable=False),
)
