"""`konstruct bill prices`: the operator's list of message prices, kept in the database."""

from collections.abc import Mapping
from pathlib import Path

from deployments.installation.tenants import open_database
from konstruct.database import charges
from konstruct.errors import PricesInvalid
from konstruct.message_prices import PriceList, parse
from konstruct.settings import Settings


async def keep_file(environment: Mapping[str, str], file: Path) -> str:
    """Add the list in a file; answers what happened in a sentence. Raises PricesInvalid."""
    prices = _read(file)
    async with open_database(Settings.from_environment(environment)) as database:
        added = await charges.keep_prices(database, prices)
    what = f"Version {prices.version} of the message prices"
    return f"{what} is valid from {prices.valid_from:%Y-%m-%d %H:%M %Z}." if added else f"{what} was known already."


def _read(file: Path) -> PriceList:
    try:
        return parse(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise PricesInvalid(f"{file} cannot be read: {error}.") from None
