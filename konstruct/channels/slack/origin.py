"""Which addresses are Slack's: the bot token and files go nowhere else."""

from urllib.parse import urlsplit

from konstruct.errors import ChannelRefused

_DOMAIN = ".slack.com"


def check_origin(url: str, api_url: str) -> None:
    """Raise ChannelRefused unless the URL is https at slack.com's hosts, or has the origin of the Web API."""
    if not is_slack(url, api_url):
        raise ChannelRefused("The address is not one of Slack's; nothing was sent there.")


def is_slack(url: str, api_url: str) -> bool:
    """Whether the URL is https at slack.com's hosts, or has the origin of the Web API."""
    try:
        parts, api = urlsplit(url), urlsplit(api_url)
        place = (parts.scheme, parts.hostname, parts.port)
        if parts.username is not None or parts.password is not None:
            return False
    except ValueError:
        return False
    if place == (api.scheme, api.hostname, api.port):
        return True
    return parts.scheme == "https" and parts.port in (None, 443) and (parts.hostname or "").endswith(_DOMAIN)
