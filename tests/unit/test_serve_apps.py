"""What is sent to Ray Serve, and how its answers are read; the dashboard is a stub over real HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deployments.installation import serve_apps
from deployments.installation.serve_apps import Serve, ServeFailed, ServeUnavailable


@pytest.fixture
def dashboard():
    class Stub(BaseHTTPRequestHandler):
        applications: dict = {}
        declared: list = []

        def do_GET(self):
            self._answer({"applications": self.applications})

        def do_PUT(self):
            self.declared.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer({})

        def _answer(self, content):
            allowed = self.headers["Authorization"] == "Bearer t0ken"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_arguments):
            pass

    Stub.applications, Stub.declared = {}, []
    with HTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        Stub.port = server.server_port
        yield Stub
        server.shutdown()


def configuration(**changes):
    asked = {
        "host": "127.0.0.1",
        "port": 9,
        "environment": {"KONSTRUCT_X": "1", "KONSTRUCT_HOME": "/h", "KONSTRUCT_VERSION_HASH": "c0de-1234"},
        "local_model": True,
    } | changes
    return serve_apps.configuration(**asked)


def application(config, name):
    (found,) = [application for application in config["applications"] if application["name"] == name]
    return found


def environment_of(config, name):
    return application(config, name)["runtime_env"]["env_vars"]


def test_address_and_environment_are_this_installations():
    config = configuration()
    assert config["http_options"] == {"host": "127.0.0.1", "port": 9}
    assert environment_of(config, "konstruct")["KONSTRUCT_X"] == "1"


def test_what_replaces_the_engine_is_other_code_and_nothing_that_it_does_not_need():
    config = configuration()
    assert environment_of(config, "models") == {"KONSTRUCT_HOME": "/h", "KONSTRUCT_VERSION_HASH": "c0de"}
    other = {"KONSTRUCT_HOME": "/h", "KONSTRUCT_VERSION_HASH": "c0de-9999", "KONSTRUCT_LOG_LEVEL": "debug"}
    assert application(configuration(environment=other), "models") == application(config, "models")


def test_other_master_keys_replace_the_models_gateway_only():
    environment = {"KONSTRUCT_MASTER_KEYS_FILE": "/k", "KONSTRUCT_VERSION_HASH": "c0de-9999"}
    models = application(configuration(environment=environment), "models")
    assert "/k" not in str(models["runtime_env"])
    (gateway,) = models["deployments"]
    assert gateway["ray_actor_options"]["runtime_env"]["env_vars"] == {"KONSTRUCT_MASTER_KEYS_FILE": "/k"}


def test_what_an_operators_own_file_says_of_the_gateway_stays(tmp_path):
    own = tmp_path / "serve.yaml"
    own.write_text(
        "http_options: {}\napplications:\n- name: models\n  import_path: deployments.local_model:build\n"
        "  runtime_env:\n  deployments:\n  - {name: ModelGateway, num_replicas: 2, ray_actor_options: {num_cpus: 3}}\n"
    )
    environment = {"KONSTRUCT_MASTER_KEYS_FILE": "/k", "KONSTRUCT_VERSION_HASH": "c0de-9999"}
    (gateway,) = application(configuration(chosen=str(own), environment=environment), "models")["deployments"]
    assert gateway["num_replicas"] == 2
    options = {"num_cpus": 3, "runtime_env": {"env_vars": environment | {"KONSTRUCT_VERSION_HASH": "x"}}}
    del options["runtime_env"]["env_vars"]["KONSTRUCT_VERSION_HASH"]
    assert gateway["ray_actor_options"] == options


def test_without_a_local_model_its_application_is_left_out():
    names = [application["name"] for application in configuration(local_model=False)["applications"]]
    assert names == ["konstruct"]


def test_an_operators_own_file_is_used_and_its_environment_wins(tmp_path):
    own = tmp_path / "serve.yaml"
    own.write_text(
        "http_options: {}\napplications:\n- {name: konstruct, runtime_env: {env_vars: {KONSTRUCT_X: '2'}}}\n"
    )
    assert environment_of(configuration(chosen=str(own)), "konstruct")["KONSTRUCT_X"] == "2"


def test_what_is_declared_arrives(dashboard):
    Serve(dashboard.port, "t0ken").deploy({"applications": []})
    assert dashboard.declared == [{"applications": []}]


def test_a_known_application_is_not_declared_again(dashboard):
    serve = Serve(dashboard.port, "t0ken")
    serve.ensure({"applications": [1]}, "models")
    dashboard.applications = {"models": {"status": "DEPLOYING"}}
    serve.ensure({"applications": [2]}, "models")
    assert dashboard.declared == [{"applications": [1]}]


def test_waiting_ends_when_the_application_runs(dashboard):
    dashboard.applications = {"konstruct": {"status": "RUNNING"}}
    Serve(dashboard.port, "t0ken").wait("konstruct", 1, print)


def test_a_failed_application_is_reported_with_its_last_words(dashboard):
    deployment = {"status": "UNHEALTHY", "message": "Traceback ...\nImportError: no module named x\n"}
    dashboard.applications = {"konstruct": {"status": "DEPLOY_FAILED", "deployments": {"d": deployment}}}
    with pytest.raises(ServeFailed, match="ImportError: no module named x"):
        Serve(dashboard.port, "t0ken").wait("konstruct", 1, print)


def test_waiting_tells_which_deployments_are_missing(dashboard):
    states = {"a": {"status": "HEALTHY"}, "b": {"status": "UPDATING"}}
    dashboard.applications = {"konstruct": {"status": "DEPLOYING", "deployments": states}}
    told = []
    with pytest.raises(ServeFailed, match="within"):
        Serve(dashboard.port, "t0ken").wait("konstruct", 0.1, told.append)
    assert told == ["b"]


def test_a_wrong_token_is_a_sentence(dashboard):
    with pytest.raises(ServeUnavailable, match="401"):
        Serve(dashboard.port, "wrong").applications()


def test_nobody_there_is_a_sentence():
    with pytest.raises(ServeUnavailable, match="did not answer"):
        Serve(9, "t0ken").applications()
