"""The queue of what to fetch later, and keys and notes of ledger rows that no job of ours caused."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def upgrade() -> None:
    """Make the queue, and widen the ledger; rows are kept as they are."""
    op.create_table(
        "queue",
        sa.Column("id", _serial, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("scenes", sa.Text, nullable=False),
        sa.Column("scene_count", sa.Integer, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("batch_id", sa.String(32)),
        sa.Column("by", sa.Text, nullable=False),
        _moment("added_at"),
        _moment("updated_at"),
        _moment("not_before", required=False),
        sa.Column("lease_owner", sa.Text),
        _moment("lease_until", required=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue"),
    )
    op.create_index("ix_queue_account_state", "queue", ["account", "state"])
    op.add_column("ledger", sa.Column("key", sa.Text))
    op.add_column("ledger", sa.Column("note", sa.Text))
    op.create_index("uq_ledger_account_key", "ledger", ["account", "key"], unique=True)
