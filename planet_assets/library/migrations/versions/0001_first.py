"""The first schema: items, sites, copies, jobs, events, ledger, quota, kv.

The tables are written out here and not taken from the present schema, so that this step stays what it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "item",
        sa.Column("item_type", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _moment("acquired"),
        sa.Column("feature", sa.Text, nullable=False),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("item_type", "id", name="pk_item"),
    )
    op.create_table(
        "site",
        sa.Column("id", _serial, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site"),
        sa.UniqueConstraint("name", name="uq_site_name"),
    )
    _copy()
    _job_and_event()
    _money()
    op.create_table(
        "kv",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_kv"),
    )


def _copy() -> None:
    op.create_table(
        "copy",
        sa.Column("site_id", _serial, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("item_type", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("asset_type", sa.Text, nullable=False),
        sa.Column("cut", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(32)),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("verified_by", sa.Text),
        sa.Column("job_id", sa.String(32)),
        _moment("recorded_at"),
        sa.PrimaryKeyConstraint("site_id", "path", name="pk_copy"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_copy_site_id"),
    )
    op.create_index("ix_copy_item_type_item_id_asset_type_cut", "copy", ["item_type", "item_id", "asset_type", "cut"])


def _job_and_event() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("item_type", sa.Text, nullable=False),
        sa.Column("scene_id", sa.Text, nullable=False),
        sa.Column("asset_type", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("bytes_done", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("lease_owner", sa.Text),
        _moment("lease_until", required=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_batch_id", "job", ["batch_id"])
    op.create_index("ix_job_status", "job", ["status"])
    op.create_index("ix_job_item_type_scene_id_asset_type", "job", ["item_type", "scene_id", "asset_type"])
    op.create_table(
        "event",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        _moment("at"),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_event"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_event_job_id"),
        sa.UniqueConstraint("job_id", "revision", name="uq_event_job_id_revision"),
    )
    op.create_index("ix_event_job_id", "event", ["job_id"])


def _money() -> None:
    op.create_table(
        "ledger",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        _moment("at"),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("held_km2", sa.Double, nullable=False),
        sa.Column("spent_km2", sa.Double, nullable=False),
        sa.Column("job_id", sa.String(32)),
        sa.Column("batch_id", sa.String(32)),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_ledger"),
    )
    op.create_index("ix_ledger_job_id", "ledger", ["job_id"])
    op.create_index("ix_ledger_account_at", "ledger", ["account", "at"])
    op.create_table(
        "quota",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("limit_km2", sa.Double),
        sa.Column("used_km2", sa.Double),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("style", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        _moment("resets_at", required=False),
        _moment("as_of", required=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_quota"),
    )
