"""cluster.yaml and serve.yaml against Ray's own schemas."""

import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
CLUSTER = yaml.safe_load((CHECKOUT / "cluster.yaml").read_text())
SERVE = yaml.safe_load((CHECKOUT / "serve.yaml").read_text())


def test_the_cluster_file_is_what_rays_launcher_accepts():
    ray = find_spec("ray")
    schema = json.loads((Path(ray.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(CLUSTER, schema)


def test_the_head_hosts_no_conversations_and_gpu_nodes_carry_gpus():
    nodes = CLUSTER["available_node_types"]
    assert nodes[CLUSTER["head_node_type"]]["resources"]["CPU"] == 0
    assert nodes["gpu"]["resources"]["GPU"] >= 1
    assert all(node["labels"]["konstruct.io/pool"] for node in nodes.values())
    # Nothing asks for a resource of our own.
    assert {name for node in nodes.values() for name in node["resources"]} == {"CPU", "GPU"}


def test_every_machine_demands_rays_token_and_runs_as_one_machine_does():
    gpu = CLUSTER["available_node_types"]["gpu"]["docker"]["worker_run_options"]
    for options in (CLUSTER["docker"]["run_options"], gpu):
        assert "--env RAY_AUTH_MODE=token" in options
        assert "--env RAY_worker_niceness=0" in options
        assert "--env RAY_SERVE_HAPROXY_METRICS_ENABLED=0" in options


def test_the_serve_file_is_what_ray_serve_accepts():
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(SERVE)
    assert [application.name for application in schema.applications] == ["konstruct", "models"]


def test_the_serve_file_has_no_misspelt_keys_which_ray_would_ignore():
    from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

    assert set(SERVE) <= set(ServeDeploySchema.model_fields)
    for application in SERVE["applications"]:
        assert set(application) <= set(ServeApplicationSchema.model_fields)


def test_what_the_serve_file_imports_exists():
    for application in SERVE["applications"]:
        module, _, function = application["import_path"].partition(":")
        source = CHECKOUT / f"{module.replace('.', '/')}.py"
        assert f"def {function}(" in source.read_text()
