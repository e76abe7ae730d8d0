"""`konstruct members`, over the operators' API."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.admin_rig import ADMIN_TOKEN, AdminRig, admin_rig
from tests.crash import CHECKOUT


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def konstruct(k: AdminRig, home: Path, *arguments: str, token: str = ADMIN_TOKEN) -> tuple[int | None, str]:
    environment = os.environ | {
        "KONSTRUCT_HOME": str(home / "elsewhere"), "KONSTRUCT_PUBLIC_URL": k.rig.url, "KONSTRUCT_ADMIN_TOKEN": token,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deployments.cli", "members", *arguments, cwd=CHECKOUT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_people_are_let_in_listed_and_let_in_no_more(k: AdminRig, tmp_path: Path) -> None:
    assert "Nobody may log in to acme" in (await konstruct(k, tmp_path, "list", "--tenant", "acme"))[1]
    added = await konstruct(k, tmp_path, "add", "Grace+x@Example.com", "--tenant", "acme", "--role", "operator")
    assert added == (0, "grace+x@example.com may log in to acme as operator.\n")
    assert "grace+x@example.com  operator" in (await konstruct(k, tmp_path, "list", "--tenant", "acme"))[1]
    assert (await konstruct(k, tmp_path, "log-out", "grace+x@example.com", "--tenant", "acme"))[0] == 0
    assert (await konstruct(k, tmp_path, "remove", "grace+x@example.com", "--tenant", "acme"))[0] == 0
    assert k.sql("select count(*) from members") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (("add", "grace@example.com", "--tenant", "initech"), ADMIN_TOKEN, "no tenant initech"),
        (("add", "grace", "--tenant", "acme"), ADMIN_TOKEN, "cannot be used"),
        (("remove", "grace@example.com", "--tenant", "acme"), ADMIN_TOKEN, "no such thing here"),
        (("list", "--tenant", "acme"), "nobody-ever-made-such-a-token", "No valid token"),
    ],
)
async def test_a_refusal_is_the_sentence_of_the_api(
    k: AdminRig, tmp_path: Path, arguments: tuple[str, ...], token: str, words: str
) -> None:
    code, said = await konstruct(k, tmp_path, *arguments, token=token)
    assert code == 1
    assert words in said
    assert len(said.strip().splitlines()) == 1
