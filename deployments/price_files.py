"""`konstruct bill prices` and `plans`: what an operator's files say, kept in the database."""

from collections.abc import Mapping
from pathlib import Path

from deployments.installation.tenants import open_database
from konstruct import message_prices, plans
from konstruct.database import charges
from konstruct.database import plans as stored_plans
from konstruct.errors import KonstructError, PlansInvalid, PricesInvalid
from konstruct.settings import Settings


async def keep_prices(environment: Mapping[str, str], file: Path) -> str:
    """Add the list in a file; answers what happened in a sentence. Raises PricesInvalid."""
    prices = message_prices.parse(_read(file, PricesInvalid))
    async with open_database(Settings.from_environment(environment)) as database:
        added = await charges.keep_prices(database, prices)
    what = f"Version {prices.version} of the message prices"
    return f"{what} is valid from {prices.valid_from:%Y-%m-%d %H:%M %Z}." if added else f"{what} was known already."


async def keep_plans(environment: Mapping[str, str], file: Path) -> str:
    """Add the plans in a file; answers what happened in a sentence. Raises PlansInvalid."""
    read = plans.parse(_read(file, PlansInvalid))
    async with open_database(Settings.from_environment(environment)) as database:
        new = await stored_plans.keep(database, read)
    return f"New: {', '.join(new)}." if new else "All these plans were known already."


def _read(file: Path, error: type[KonstructError]) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as reason:
        raise error(f"{file} cannot be read: {reason}.") from None
