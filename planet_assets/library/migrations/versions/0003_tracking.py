"""What sources listed last time, and of copies whether they are there and which making of the asset they are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def upgrade() -> None:
    """Make the table of listings, and widen copies; rows are kept as they are."""
    op.create_table(
        "listed",
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("document", sa.Text),
        _moment("first_seen"),
        _moment("changed_at"),
        _moment("gone_at", required=False),
        sa.Column("gone_reason", sa.Text),
        sa.PrimaryKeyConstraint("listing", "id", name="pk_listed"),
    )
    op.create_index("ix_listed_scan", "listed", ["listing", "gone_at", "id", "fingerprint"])
    op.add_column("copy", sa.Column("state", sa.String(10), nullable=False, server_default="present"))
    op.add_column("copy", sa.Column("stage", sa.Text, nullable=False, server_default=""))
    op.add_column("copy", sa.Column("source_md5", sa.Text, nullable=False, server_default=""))
    op.add_column("copy", sa.Column("mtime_ns", sa.BigInteger))
    op.add_column("copy", _moment("verified_at", required=False))
    op.add_column("copy", sa.Column("local", sa.Text))
