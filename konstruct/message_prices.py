"""What an operator says that messages cost; nothing is assumed, an unknown price is zero and shown as unknown."""

from datetime import UTC, datetime
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from konstruct.errors import PricesInvalid

EVERYWHERE = "*"


def _with_zone(moment: datetime) -> datetime:
    if not 2000 <= moment.year < 3000:
        raise ValueError("the year must be between 2000 and 2999")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Price(BaseModel):
    """What a message of a category costs in a country, in millionths of a US dollar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str = Field(min_length=1, max_length=100)
    country: str = Field(EVERYWHERE, pattern=r"^([A-Z]{2}|\*)$")
    micros: int = Field(ge=0, le=10**12)


class PriceList(BaseModel):
    """A version of the list; charges name the version that priced them, so a version never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(min_length=1, max_length=100)
    valid_from: Annotated[datetime, AfterValidator(_with_zone)]
    prices: tuple[Price, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> "PriceList":
        keys = [(price.category, price.country) for price in self.prices]
        twice = {f"{category} in {country}" for category, country in keys if keys.count((category, country)) > 1}
        if twice:
            raise ValueError(f"there are two prices for {', '.join(sorted(twice))}")
        return self


def parse(text: str) -> PriceList:
    """Read a price list in YAML; raises PricesInvalid with a sentence."""
    try:
        return PriceList.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PricesInvalid(f"The price list is not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the list"
        raise PricesInvalid(f"In the price list, {where}: {first['msg']}.") from None
