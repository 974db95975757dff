"""Sealed bundles, what they are made of, and where they were shipped to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def _to(column: str, target: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def upgrade() -> None:
    """Make the tables, and widen sites; rows are kept as they are."""
    op.add_column("site", sa.Column("options", sa.Text))
    op.create_table(
        "bundle",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("seal", sa.String(64)),
        _moment("opened_at"),
        _moment("sealed_at", required=False),
        sa.PrimaryKeyConstraint("id", name="pk_bundle"),
        sa.UniqueConstraint("name", "revision", name="uq_bundle_name_revision"),
    )
    op.create_table(
        "component",
        sa.Column("bundle_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("asset_type", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        _to("bundle_id", "bundle.id", "component"),
        sa.PrimaryKeyConstraint("bundle_id", "name", name="pk_component"),
    )
    _shipments()


def _shipments() -> None:
    op.create_table(
        "shipment",
        sa.Column("bundle_id", sa.String(32), nullable=False),
        sa.Column("site_id", _serial, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("lease_owner", sa.Text),
        _moment("lease_until", required=False),
        _moment("wanted_at"),
        _moment("ready_at", required=False),
        _to("bundle_id", "bundle.id", "shipment"),
        _to("site_id", "site.id", "shipment"),
        sa.PrimaryKeyConstraint("bundle_id", "site_id", name="pk_shipment"),
    )
    op.create_table(
        "shipped",
        sa.Column("bundle_id", sa.String(32), nullable=False),
        sa.Column("site_id", _serial, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _moment("at"),
        _to("bundle_id", "bundle.id", "shipped"),
        _to("site_id", "site.id", "shipped"),
        sa.PrimaryKeyConstraint("bundle_id", "site_id", "name", name="pk_shipped"),
    )
    op.create_table(
        "bundle_event",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        _moment("at"),
        sa.Column("bundle_id", sa.String(32), nullable=False),
        sa.Column("site_id", _serial),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        _to("bundle_id", "bundle.id", "bundle_event"),
        _to("site_id", "site.id", "bundle_event"),
        sa.PrimaryKeyConstraint("sequence", name="pk_bundle_event"),
        sa.UniqueConstraint("bundle_id", "site_id", "kind", name="uq_bundle_event_bundle_id_site_id_kind"),
    )
