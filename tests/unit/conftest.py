"""Fixtures that several unit tests share."""

import pytest

from deployments.installation import keys
from deployments.installation.layout import Layout


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path)
    keys.prepare(made)
    return made
