"""Ground that an account has unlocked under area under management, and the term it stays free in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and widen the quota; rows are kept as they are."""
    op.create_table(
        "ground",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("term", sa.Text, nullable=False),
        sa.Column("wkb", sa.LargeBinary, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "term", name="pk_ground"),
    )
    op.add_column("quota", sa.Column("term", sa.Text, nullable=False, server_default=""))
