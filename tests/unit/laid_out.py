"""What processes of an installation in a folder are given, without any that runs."""

from deployments.installation.environment import konstruct_environment
from konstruct.settings import Settings


def environment_of(layout, **given):
    named = {"KONSTRUCT_HOME": str(layout.home), **given}
    settings = Settings.from_environment(named)
    return konstruct_environment(settings, layout, named, database_url="postgresql://x/y", version="1")
