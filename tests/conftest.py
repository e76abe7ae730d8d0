"""Fixtures that several tiers share; nothing heavy is started before a test asks for it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import ports, postgres

# A busy machine must not fail a property: what is slow on purpose has tests of its own.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


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


@pytest.fixture
def own_port() -> Iterator[int]:
    """A port that no other test is given; nobody listens there yet."""
    with ports.held() as port:
        yield port
