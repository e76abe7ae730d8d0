"""Which ports an installation takes."""

import socket
from dataclasses import asdict

import pytest

from deployments.installation import ports


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_ports_are_remembered(tmp_path):
    path = tmp_path / "ports.json"
    assert ports.recall(path) is None
    chosen = ports.choose(path)
    assert ports.recall(path) == chosen
    assert ports.choose(path) == chosen


def test_all_ports_differ_and_leave_the_range_of_outgoing_connections_alone(tmp_path):
    chosen = asdict(ports.choose(tmp_path / "ports.json"))
    assert len(set(chosen.values())) == len(chosen)
    assert all(20_000 <= port < 30_000 for port in chosen.values())
    assert chosen["replicas"] == max(chosen.values())


def test_a_remembered_port_that_is_taken_means_new_ports(tmp_path, taken):
    path = tmp_path / "ports.json"
    first = ports.choose(path)
    path.write_text(path.read_text().replace(str(first.gcs), str(taken)))
    assert taken not in asdict(ports.choose(path)).values()


def test_none_of_the_operators_ports_is_chosen(tmp_path, monkeypatch):
    path = tmp_path / "ports.json"
    first = ports.choose(path)
    operators = {first.gcs, first.replicas + ports.REPLICA_PORTS - 1}
    for operator in operators:
        assert operator not in ports._all(ports.choose(path, {operator}))
    firsts = iter([first.gcs, first.gcs + 500])
    monkeypatch.setattr(ports.random, "randrange", lambda *_: next(firsts))
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    assert ports._pick(operators).gcs == first.gcs + 500


def test_a_port_taken_on_loopback_is_not_free(taken):
    assert not ports.is_free(taken)


def test_a_damaged_file_is_as_good_as_none(tmp_path):
    path = tmp_path / "ports.json"
    path.write_text('{"gcs": ')
    assert ports.recall(path) is None
