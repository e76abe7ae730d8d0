"""What keeps an installation's servers on loopback."""

import os
import subprocess
import sys

import pytest

from deployments.installation.environment import LOOPBACK

CONFIG = """
frontend prometheus
  bind :29101
  bind *:28404
  bind 127.0.0.1:8000
frontend http_frontend
  bind *:8000
  log global
frontend grpc_frontend
  bind *:9000
"""


@pytest.fixture
def haproxy(tmp_path):
    """Runs the wrapper on a configuration with a stub for the binary; answers (configuration, arguments)."""

    def run(config):
        path, stub = tmp_path / "haproxy.cfg", tmp_path / "stub"
        path.write_text(config)
        stub.write_text('#!/bin/sh\necho "$@"\n')
        stub.chmod(0o755)
        own = {
            "KONSTRUCT_HAPROXY": str(stub),
            "RAY_SERVE_HAPROXY_STATS_PORT": "28404",
            "RAY_SERVE_HAPROXY_METRICS_PORT": "29101",
        }
        arguments = [LOOPBACK / "haproxy", "-db", "-f", path, "-sf", "12"]
        done = subprocess.run(arguments, env=os.environ | own, capture_output=True, text=True, check=True)
        return path.read_text(), done.stdout.split()

    return run


def test_statistics_and_metrics_are_narrowed_and_the_front_end_is_left_as_asked(haproxy):
    config, _ = haproxy(CONFIG)
    assert "bind 127.0.0.1:29101" in config
    assert "bind 127.0.0.1:28404" in config
    assert config.count("bind *:") == 2
    assert "bind *:8000" in config


def test_webhooks_are_stored_even_if_the_caller_hangs_up(haproxy):
    config, _ = haproxy(CONFIG)
    front_end, _, grpc = config.partition("frontend http_frontend")[2].partition("frontend grpc_frontend")
    assert front_end.count("set-header x-request-disconnect-disabled ?1") == 1
    assert "x-request-disconnect-disabled" not in grpc


def test_the_binary_gets_every_argument(haproxy):
    _, arguments = haproxy(CONFIG)
    assert arguments[0] == "-db"
    assert arguments[-2:] == ["-sf", "12"]


def test_a_replicas_grpc_server_is_bound_to_loopback():
    script = """
import sitecustomize
from ray._common.tls_utils import add_port_to_grpc_server
class Server:
    def add_insecure_port(self, address):
        print(address)
        return 1
for address in ("[::]:0", "0.0.0.0:5", "10.0.0.1:7"):
    add_port_to_grpc_server(Server(), address)
"""
    environment = os.environ | {"PYTHONPATH": str(LOOPBACK)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["127.0.0.1:0", "127.0.0.1:5", "10.0.0.1:7"]


def test_ray_still_binds_replicas_through_the_function_that_we_narrow():
    from importlib.util import find_spec
    from pathlib import Path

    ray = Path(find_spec("ray").origin).parent
    source = (ray / "serve" / "_private" / "replica.py").read_text()
    assert "from ray._common.tls_utils import add_port_to_grpc_server" in source
    assert 'add_port_to_grpc_server(self._server, "[::]:0")' in source
