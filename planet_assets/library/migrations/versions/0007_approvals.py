"""Plans that wait for a yes of the team, and what was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "approval",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("plan_id", sa.String(64), nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("km2", sa.Double),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        _moment("posted_at"),
        _moment("expires_at"),
        sa.Column("decided_by", sa.Text, nullable=False),
        _moment("decided_at", required=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by_rule", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approval"),
    )
    op.create_index("ix_approval_state_posted_at", "approval", ["state", "posted_at"])
    op.create_table(
        "approval_event",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        _moment("at"),
        sa.Column("approval_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approval.id"], name="fk_approval_event_approval_id"),
        sa.PrimaryKeyConstraint("sequence", name="pk_approval_event"),
    )
