"""The secrets of an installation: files for their owner only, made where the operator gave none."""

import json
import secrets
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from cryptography.fernet import Fernet

from deployments.installation.layout import Layout
from konstruct.errors import SettingsInvalid

DEMO_BOT_TOKEN = "xoxb-demo-acme"  # noqa: S105 - the simulator accepts it, Slack does not
DEMO_ACCESS_TOKEN = "EAAG-demo-acme"  # noqa: S105 - the simulator accepts it, Meta does not
WHATSAPP_MADE = ("app_secret", "verify_token")


def prepare(layout: Layout, *, with_master_keys: bool = True) -> None:
    """Create what is missing; what exists is never replaced, for it may be all that opens stored secrets.

    `with_master_keys`: not where the operator gave some, for whoever finds others here takes them for those in use.
    """
    layout.secrets.mkdir(parents=True, exist_ok=True)
    layout.secrets.chmod(0o700)
    if with_master_keys:
        _keep(master_keys(layout), lambda: Fernet.generate_key().decode())
    _keep(ray_token(layout), lambda: secrets.token_hex(32))
    _keep(admin_token(layout), lambda: secrets.token_urlsafe(32))
    demo = {"signing_secret": secrets.token_hex(16), "bot_token": DEMO_BOT_TOKEN}
    _keep(layout.secrets / "demo.json", lambda: json.dumps(demo))
    whatsapp = {"access_token": DEMO_ACCESS_TOKEN, **{name: secrets.token_hex(16) for name in WHATSAPP_MADE}}
    _keep(layout.secrets / "demo_whatsapp.json", lambda: json.dumps(whatsapp))
    _keep(demo_web_secret(layout), lambda: secrets.token_urlsafe(32))


def master_keys(layout: Layout) -> Path:
    """Fernet keys, comma separated, newest first."""
    return layout.secrets / "master_keys"


def own(layout: Layout) -> str:
    """The keys in that file. Raises SettingsInvalid."""
    try:
        return master_keys(layout).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The master keys in {master_keys(layout)} cannot be read: {error}.") from error


def ray_token(layout: Layout) -> Path:
    """Ray's token: whoever has it can run code in the cluster."""
    return layout.secrets / "ray_token"


def admin_token(layout: Layout) -> Path:
    """Bearer token of the operators' API."""
    return layout.secrets / "admin_token"


def demo(layout: Layout) -> dict[str, str]:
    """Signing secret and bot token of the demo tenant."""
    content: dict[str, str] = json.loads((layout.secrets / "demo.json").read_text())
    return content


def demo_whatsapp(layout: Layout) -> dict[str, str]:
    """Access token, app secret and verify token of the demo tenant's number."""
    content: dict[str, str] = json.loads((layout.secrets / "demo_whatsapp.json").read_text())
    return content


def demo_web_secret(layout: Layout) -> Path:
    """What the demo tenant's web chat signs its visitors with."""
    return layout.secrets / "demo_web_secret"


def hand_over(layout: Layout, name: str, secret: str) -> Path:
    """A file with this secret, named after its content too, so that a changed secret is a changed setting."""
    path = layout.secrets / f"{name}-{blake2b(secret.encode(), digest_size=4).hexdigest()}"
    _keep(path, lambda: secret)
    return path


def _keep(path: Path, make: Callable[[], str]) -> None:
    if path.exists() and path.stat().st_size:
        return
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(make())
    draft.replace(path)
