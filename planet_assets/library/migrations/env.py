"""Run by alembic; the connection comes from `migrations.upgrade`."""

from alembic import context

from planet_assets.library.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
