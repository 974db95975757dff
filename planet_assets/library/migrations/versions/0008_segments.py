"""Listings by segments, a row for some ten thousand ids, in place of a row an id."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SEGMENT = 50_000


def upgrade() -> None:
    """Make the table, bring every listing over, and drop the old one."""
    segment = op.create_table(
        "listing_segment",
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("ids", sa.Text, nullable=False),
        sa.Column("prints", sa.Text, nullable=False),
        sa.Column("documents", sa.Text),
        sa.Column("firsts", sa.Text),
        sa.Column("moments", sa.Text),
        sa.PrimaryKeyConstraint("listing", "number", name="pk_listing_segment"),
    )
    connection = op.get_bind()
    names = connection.execute(sa.text("SELECT DISTINCT listing FROM listed")).scalars().all()
    for name in names:
        _bring(connection, segment, name)
    op.drop_table("listed")


def _bring(connection: sa.Connection, segment: sa.Table, name: str) -> None:
    query = (
        "SELECT id, fingerprint, document, first_seen, changed_at, gone_at FROM listed WHERE listing = :name "
        "ORDER BY id"
    )
    rows = connection.execute(sa.text(query), {"name": name}).all()
    number = 0
    for kind, part in (("bulk", rows), ("gone", [row for row in rows if row.gone_at is not None])):
        for start in range(0, len(part), _SEGMENT):
            number += 1
            chunk = part[start : start + _SEGMENT]
            values = {
                "listing": name,
                "number": number,
                "kind": kind,
                "at": max(row.changed_at for row in chunk),
                "ids": json.dumps([row.id for row in chunk]),
                "prints": json.dumps([row.fingerprint for row in chunk]),
                "documents": json.dumps([row.document for row in chunk]),
                "firsts": json.dumps([row.first_seen for row in chunk]),
                "moments": json.dumps([row.gone_at if kind == "gone" else row.changed_at for row in chunk]),
            }
            connection.execute(sa.insert(segment), values)
