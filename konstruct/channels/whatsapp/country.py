"""The country that Meta prices a message by: https://developers.facebook.com/docs/whatsapp/pricing."""

from functools import lru_cache

from konstruct.channels.whatsapp.records import Person


def country_of(person: Person) -> str:
    """ISO code of the recipient's country, or nothing if no id of theirs shows one."""
    number = person.phone or person.wa_id
    if number:
        return _country_of_number(number)
    # A business-scoped id begins with the country: US.1349…
    prefix = (person.user_id or person.parent_user_id).partition(".")[0]
    return prefix if len(prefix) == 2 and prefix.isascii() and prefix.isupper() else ""


@lru_cache(10_000)
def _country_of_number(digits: str) -> str:
    import phonenumbers  # noqa: PLC0415 - only who is told of prices needs it

    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return ""
    # Several countries share +1 and others: a number that is nobody's counts as the largest one's.
    shared = phonenumbers.region_code_for_country_code(number.country_code or 0)
    found = phonenumbers.region_code_for_number(number) or shared
    return found if len(found) == 2 and found.isalpha() else ""
