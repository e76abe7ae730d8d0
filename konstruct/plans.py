"""Plans: a monthly fee, what is included in it, and what more costs. Stripe charges by the same numbers."""

from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from konstruct.errors import PlansInvalid

MICROS_PER_CENT = 10_000
Unit = Literal["micros", "tokens", "replies"]
UNITS: dict[str, str] = {
    "micros": "micro-USD of model and WhatsApp cost",
    "tokens": "tokens",
    "replies": "turns that a model answered",
}


class Plan(BaseModel):
    """What a tenant pays; a plan never changes, because invoices are explained by it: a new offer has a new name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    monthly_fee_micros: int = Field(ge=0, le=10**15, multiple_of=MICROS_PER_CENT)
    unit: Unit
    included: int = Field(0, ge=0, le=10**15)  # units in each billing period
    overage_micros: int = Field(ge=0, le=10**12)  # for each `overage_per` units beyond
    overage_per: int = Field(1, ge=1, le=10**12)
    event_name: str = Field(pattern=r"^[\w.-]{1,100}$")  # of Stripe's billing meter
    fee_price: str = Field("", max_length=255)  # Stripe's ids of the two prices
    usage_price: str = Field("", max_length=255)

    def reckon(self, used: int) -> "Reckoning":
        """What usage of one billing period costs."""
        return Reckoning(used, min(used, self.included), self.overage_micros, self.overage_per)


class Plans(BaseModel):
    """What an operator's file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plans: tuple[Plan, ...]

    @model_validator(mode="after")
    def _once(self) -> "Plans":
        units: dict[str, str] = {}
        names: set[str] = set()
        for plan in self.plans:
            if plan.name in names:
                raise ValueError(f"there are two plans named {plan.name}")
            names.add(plan.name)
            if units.setdefault(plan.event_name, plan.unit) != plan.unit:
                raise ValueError(f"the meter {plan.event_name} would count two kinds of unit; give each its own meter")
        return self


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Usage against a plan, in whole numbers only; `cents` is what the invoice says."""

    used: int
    included: int
    overage_micros: int
    overage_per: int

    @property
    def over(self) -> int:
        """Units beyond what is included."""
        return self.used - self.included

    @property
    def over_micros(self) -> int:
        """Their price, without the fraction of a micro."""
        return self.over * self.overage_micros // self.overage_per

    @property
    def cents(self) -> int:
        """Their price as invoiced: rounded once, half a cent up, as Stripe does."""
        divisor = self.overage_per * MICROS_PER_CENT
        return (2 * self.over * self.overage_micros + divisor) // (2 * divisor)

    @property
    def invoiced_micros(self) -> int:
        """The same in micros."""
        return self.cents * MICROS_PER_CENT

    @property
    def rounding_micros(self) -> int:
        """What rounding to the cent adds to `over_micros` (or takes from it)."""
        return self.invoiced_micros - self.over_micros


def parse(text: str) -> Plans:
    """Read plans in YAML; raises PlansInvalid with a sentence."""
    try:
        return Plans.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PlansInvalid(f"The plans' file is not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise PlansInvalid(f"In the plans' file, {where}: {first['msg']}.") from None


def plan_of(row: Any) -> Plan:
    """A plan from its row."""
    return Plan.model_validate({name: row[name] for name in Plan.model_fields})
