"""Whether people can log in: the identity provider answers, and describes itself as the settings do."""

import asyncio

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from konstruct.errors import KonstructError
from konstruct.identity_provider import IdentityProvider


def login(patient: Patient) -> list[Finding]:
    """Nothing to find where login is not set up."""
    settings = patient.settings
    if not settings.oidc_issuer:
        return []
    try:
        provider = IdentityProvider(settings, "")
        asyncio.run(provider.metadata())
    except KonstructError as error:
        return [wrong("login", str(error), "correct the KONSTRUCT_OIDC_… settings, then run `konstruct up`")]
    if not settings.oidc_client_secret:
        mend = "set KONSTRUCT_OIDC_CLIENT_SECRET if the provider gave one"
        return [odd("login", f"{settings.oidc_issuer} answers; no client secret is set", mend)]
    return [well("login", f"{settings.oidc_issuer} answers")]
