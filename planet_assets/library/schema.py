"""The tables. An item is what is known, a copy is what a place holds, a job is work to make a copy right, an event is
what happened, a site is a place; the ledger says what was spent, quota what may be, ground what a term has unlocked,
the queue what is wanted as soon as it may be, a listing's segments what a source listed, and kv remembers small things.
A bundle is made of components; a shipment brings it to a site, where it is ready when every component was shipped.

Text is never cast, and names that others gave have no greatest length. Times are ISO 8601 UTC text of fixed width, so
that they sort as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware time as 27 characters of text: 2025-01-01T10:30:32.403024Z."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Aware times only; a naive one would silently shift."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without zone cannot be stored: {value}")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Aware UTC."""
        return None if value is None else datetime.fromisoformat(value)


serial = BigInteger().with_variant(Integer, "sqlite")

item = Table(
    "item",
    metadata,
    Column("item_type", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("acquired", Moment, nullable=False),
    Column("feature", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

site = Table(
    "site",
    metadata,
    Column("id", serial, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("address", Text, nullable=False),
    Column("options", Text),
)

copy = Table(
    "copy",
    metadata,
    Column("site_id", serial, ForeignKey("site.id"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("item_type", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("asset_type", Text, nullable=False),
    Column("cut", String(8), nullable=False),
    Column("digest", String(32)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("verified_by", Text),
    Column("job_id", String(32)),
    Column("recorded_at", Moment, nullable=False),
    Column("state", String(10), nullable=False, server_default="present"),
    Column("stage", Text, nullable=False, server_default=""),
    Column("source_md5", Text, nullable=False, server_default=""),
    Column("mtime_ns", BigInteger),
    Column("verified_at", Moment),
    Column("local", Text),
    Index(None, "item_type", "item_id", "asset_type", "cut"),
)

job = Table(
    "job",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("batch_id", String(32), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("item_type", Text, nullable=False),
    Column("scene_id", Text, nullable=False),
    Column("asset_type", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("bytes_done", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Index(None, "item_type", "scene_id", "asset_type"),
)

event = Table(
    "event",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("job.id"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(30), nullable=False),
    Column("payload", Text, nullable=False),
    UniqueConstraint("job_id", "revision"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("held_km2", Double, nullable=False),
    Column("spent_km2", Double, nullable=False),
    Column("job_id", String(32), index=True),
    Column("batch_id", String(32)),
    Column("rule", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("key", Text),
    Column("note", Text),
    Index(None, "account", "at"),
    Index("uq_ledger_account_key", "account", "key", unique=True),
)

quota = Table(
    "quota",
    metadata,
    Column("account", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("limit_km2", Double),
    Column("used_km2", Double),
    Column("interval", Text, nullable=False),
    Column("style", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("term", Text, nullable=False, server_default=""),
    Column("resets_at", Moment),
    Column("as_of", Moment),
    Column("revision", Integer, nullable=False),
)

ground = Table(
    "ground",
    metadata,
    Column("account", Text, primary_key=True),
    Column("term", Text, primary_key=True),
    Column("wkb", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False),
)

queue = Table(
    "queue",
    metadata,
    Column("id", serial, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("scenes", Text, nullable=False),
    Column("scene_count", Integer, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("batch_id", String(32)),
    Column("by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("not_before", Moment),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Index(None, "account", "state"),
)

listing_segment = Table(
    "listing_segment",
    metadata,
    Column("listing", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("at", Moment, nullable=False),
    Column("ids", Text, nullable=False),
    Column("prints", Text, nullable=False),
    Column("documents", Text),
    Column("firsts", Text),
    Column("moments", Text),
)

bundle = Table(
    "bundle",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("seal", String(64)),
    Column("opened_at", Moment, nullable=False),
    Column("sealed_at", Moment),
    UniqueConstraint("name", "revision"),
)

component = Table(
    "component",
    metadata,
    Column("bundle_id", String(32), ForeignKey("bundle.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("asset_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
)

shipment = Table(
    "shipment",
    metadata,
    Column("bundle_id", String(32), ForeignKey("bundle.id"), primary_key=True),
    Column("site_id", serial, ForeignKey("site.id"), primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Column("wanted_at", Moment, nullable=False),
    Column("ready_at", Moment),
)

shipped = Table(
    "shipped",
    metadata,
    Column("bundle_id", String(32), ForeignKey("bundle.id"), primary_key=True),
    Column("site_id", serial, ForeignKey("site.id"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False),
)

bundle_event = Table(
    "bundle_event",
    metadata,
    Column("sequence", serial, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("bundle_id", String(32), ForeignKey("bundle.id"), nullable=False),
    Column("site_id", serial, ForeignKey("site.id")),
    Column("kind", String(10), nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("bundle_id", "site_id", "kind"),
)

kv = Table(
    "kv",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
