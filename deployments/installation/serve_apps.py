"""What Ray Serve should run: serve.yaml with this installation's settings, sent to the dashboard."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

import yaml

from deployments.installation.layout import CHECKOUT
from deployments.installation.processes import MARK
from deployments.installation.unproxied import OPENER
from konstruct.errors import KonstructError

KONSTRUCT, MODELS = "konstruct", "models"
OUR_MODELS, GATEWAY, GATEWAY_CPUS = "deployments.local_model:build", "ModelGateway", 0.1
SERVE_FILE = CHECKOUT / "serve.yaml"


class ServeUnavailable(KonstructError):
    """Ray Serve did not answer."""


class ServeFailed(KonstructError):
    """Ray Serve could not run an application."""


class Serve:
    """Ray Serve behind the dashboard at `port`, asked with Ray's token."""

    def __init__(self, port: int, token: str) -> None:
        """`port`: the dashboard's; `token`: content of the ray_token file."""
        self._url = f"http://127.0.0.1:{port}/api/serve/applications/"
        self._token = token

    def deploy(self, config: Mapping[str, Any], patience: float = 30.0) -> None:
        """Declare what should run; applications that `config` does not name are removed."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self._ask("PUT", config)
            except ServeUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.25)
            else:
                return

    def ensure(self, config: Mapping[str, Any], name: str) -> None:
        """Declare `config` unless the application `name` is known already."""
        if name not in self.applications():
            self.deploy(config)

    def applications(self) -> dict[str, dict[str, Any]]:
        """Name -> what Serve says of it (`status`, `message`, `deployments`)."""
        found: dict[str, dict[str, Any]] = self._ask("GET").get("applications", {})
        return found

    def wait(self, name: str, patience: float, tell: Callable[[str], None]) -> None:
        """Until the application runs; `tell` hears what still comes up. Raises ServeFailed with a reason."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            application = self._peek(name)
            status = application.get("status")
            if status == "RUNNING":
                return
            if status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise ServeFailed(f"The application {name} did not come up: {_reason(application)}")
            tell(_missing(application))
            time.sleep(0.25)
        raise ServeFailed(f"The application {name} did not come up within {patience:.0f} s.")

    def _peek(self, name: str) -> dict[str, Any]:
        try:
            return self.applications().get(name, {})
        except ServeUnavailable:
            return {}

    def _ask(self, method: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url, data=data, headers=headers, method=method)  # noqa: S310 - http, loopback
        try:
            with OPENER.open(request, timeout=60) as response:
                content: dict[str, Any] = json.loads(response.read() or b"{}")
                return content
        except HTTPError as error:
            words = error.read().decode(errors="replace")[:300]
            raise ServeUnavailable(f"Ray's dashboard refused ({error.code}): {words}") from error
        except (URLError, OSError, ValueError) as error:
            raise ServeUnavailable(f"Ray's dashboard did not answer: {error}.") from error


def configuration(
    *, host: str, port: int, environment: Mapping[str, str], local_model: bool, chosen: str | None = None
) -> dict[str, Any]:
    """serve.yaml (or the file `chosen`) with address, environment and applications of this installation."""
    config: dict[str, Any] = yaml.safe_load((Path(chosen) if chosen else SERVE_FILE).read_text())
    config["http_options"] |= {"host": host, "port": port}
    if not local_model:
        config["applications"] = [app for app in config["applications"] if app["name"] != MODELS]
    for application in config["applications"]:
        ours = environment
        if application.get("import_path") == OUR_MODELS:
            ours = _known_to_engine(environment)
            _let_gateway_know(application, environment)
        _let_know(application, ours)
    return config


def without(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The configuration less one application."""
    return {**config, "applications": [app for app in config["applications"] if app["name"] != name]}


def _known_to_engine(environment: Mapping[str, str]) -> dict[str, str]:
    """No secret, and no setting that is not the engine's: each that changes costs a minute without the model."""
    known = {name: value for name, value in environment.items() if name in ("KONSTRUCT_HOME", MARK, "PYTHONPATH")}
    code, _, _settings = environment["KONSTRUCT_VERSION_HASH"].partition("-")
    return known | {"KONSTRUCT_VERSION_HASH": code}


def _let_gateway_know(application: dict[str, Any], environment: Mapping[str, str]) -> None:
    keys = {name: environment[name] for name in ("KONSTRUCT_MASTER_KEYS_FILE",) if name in environment}
    application["deployments"] = application.get("deployments") or []
    gateway = next((one for one in application["deployments"] if one.get("name") == GATEWAY), None)
    if gateway is None:
        gateway = {"name": GATEWAY}
        application["deployments"].append(gateway)
    # What is said here of a deployment takes the place of all that its builder says.
    gateway["ray_actor_options"] = gateway.get("ray_actor_options") or {"num_cpus": GATEWAY_CPUS}
    _let_know(gateway["ray_actor_options"], keys)


def _let_know(whom: dict[str, Any], variables: Mapping[str, str]) -> None:
    """Beside what the file says already, which goes first."""
    runtime = whom["runtime_env"] = whom.get("runtime_env") or {}
    runtime["env_vars"] = {**variables, **(runtime.get("env_vars") or {})}


def _missing(application: Mapping[str, Any]) -> str:
    deployments = application.get("deployments", {})
    names = [name for name, deployment in deployments.items() if deployment.get("status") != "HEALTHY"]
    return ", ".join(names)


def _reason(application: Mapping[str, Any]) -> str:
    parts = [application.get("message", "")]
    parts += [deployment.get("message", "") for deployment in application.get("deployments", {}).values()]
    lines = [line.strip() for part in parts for line in part.splitlines() if line.strip()]
    return lines[-1] if lines else "Serve gives no reason."
