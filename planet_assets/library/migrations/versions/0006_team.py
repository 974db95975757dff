"""The tracker of a team: elements, their keys and events, what sites are to hold, people, tokens, refused sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _moment(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=not required)


def _where(table: str, name: str, *columns: str, only: str) -> None:
    parts = [sa.text(column) for column in columns]
    op.create_index(name, table, parts, sqlite_where=sa.text(only), postgresql_where=sa.text(only))


def upgrade() -> None:
    """Make the tables."""
    _elements()
    _standings()
    _people()


def _elements() -> None:
    op.create_table(
        "element",
        sa.Column("id", _exact, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("parent", _exact),
        sa.Column("src", _exact),
        sa.Column("tgt", _exact),
        sa.Column("doc", sa.Text, nullable=False),
        sa.Column("rev", sa.Integer, nullable=False),
        sa.Column("author", sa.Text),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("deleted_at", required=False),
        sa.Column("lock_owner", sa.Text),
        _moment("lock_until", required=False),
        sa.PrimaryKeyConstraint("id", name="pk_element"),
    )
    for column in ("parent", "src", "tgt", "lock_owner"):
        _where("element", f"ix_element_{column}", column, only=f"{column} IS NOT NULL")
    op.create_table(
        "element_key",
        sa.Column("id", _serial, autoincrement=True, nullable=False),
        sa.Column("element_id", _exact, nullable=False),
        sa.Column("key", _exact, nullable=False),
        sa.Column("kind", sa.String(1), nullable=False),
        sa.Column("text", _exact),
        sa.Column("number", sa.Double),
        sa.ForeignKeyConstraint(["element_id"], ["element.id"], name="fk_element_key_element_id"),
        sa.PrimaryKeyConstraint("id", name="pk_element_key"),
    )
    op.create_index("ix_element_key_element_id", "element_key", ["element_id", "key"])
    op.create_index("ix_element_key_text", "element_key", ["key", "text", "element_id", "kind"])
    _where("element_key", "ix_element_key_number", "key", "number", "element_id", only="number IS NOT NULL")
    op.create_table(
        "element_event",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        _moment("at"),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("verb", sa.String(20), nullable=False),
        sa.Column("element_id", _exact, nullable=False),
        sa.Column("rev", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_element_event"),
    )
    op.create_index("ix_element_event_element_id", "element_event", ["element_id"])


def _standings() -> None:
    op.create_table(
        "standing",
        sa.Column("element_id", _exact, nullable=False),
        sa.Column("site", _exact, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        _moment("wanted_at"),
        _moment("syncing_at", required=False),
        _moment("synced_at", required=False),
        _moment("tried_at", required=False),
        _moment("modified_at", required=False),
        sa.Column("error", sa.Text),
        sa.Column("error_code", sa.Integer),
        sa.Column("lease_owner", sa.Text),
        _moment("lease_until", required=False),
        sa.ForeignKeyConstraint(["element_id"], ["element.id"], name="fk_standing_element_id"),
        sa.PrimaryKeyConstraint("element_id", "site", name="pk_standing"),
    )
    waiting = ("site", "rank", "wanted_at", "element_id")
    _where("standing", "ix_standing_waiting", *waiting, only="state IN ('wanted', 'failed')")


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("name", _exact, nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("full_name", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("secret_kind", sa.String(10), nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        _moment("made_at"),
        _moment("signed_in_at", required=False),
        sa.PrimaryKeyConstraint("name", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("person", _exact, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        _moment("made_at"),
        _moment("expires_at", required=False),
        _moment("revoked_at", required=False),
        _moment("last_used_at", required=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name="fk_token_person"),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("hash", name="uq_token_hash"),
    )
    op.create_index("ix_token_person", "token", ["person"])
    op.create_table(
        "attempt",
        sa.Column("sequence", _serial, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        _moment("at"),
        sa.PrimaryKeyConstraint("sequence", name="pk_attempt"),
    )
    for column in ("name", "address"):
        op.create_index(f"ix_attempt_{column}_at", "attempt", [column, "at"])
