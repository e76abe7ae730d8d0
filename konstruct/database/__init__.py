"""PostgreSQL: the pool, one module per subject; the SQL itself stands in `schema/`."""
