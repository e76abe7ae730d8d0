"""Fixtures that several tiers share; nothing heavy is started before a test asks for it."""

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One PostgreSQL per session."""
    with postgres.server() as running:
        yield running


@pytest.fixture
def database_url(postgres_server: postgres.Server) -> Iterator[str]:
    """A fresh, migrated database."""
    with postgres_server.database() as url:
        yield url
