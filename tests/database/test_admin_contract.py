"""Whatever is asked, the operators' API answers as its OpenAPI file says: Schemathesis asks over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)  # fmt: skip

from deployments.admin.application import application
from deployments.admin.parts import Parts
from konstruct.database.pool import Database
from tests.admin_rig import ADMIN_TOKEN
from tests.database.admin_operations import IDS
from tests.database.two_tenants import settle
from tests.postgres import Server
from tests.rig import Rig, ingress, settings_for

EXAMPLES = 5
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, unsupported_method,
]  # fmt: skip
schema = schemathesis.openapi.from_dict(
    application(cast("Parts", None)).openapi(),
    config=SchemathesisConfig(
        projects=ProjectsConfig(
            default=ProjectConfig(
                # One method that is not there says as much as all of them.
                phases=PhasesConfig(coverage=CoveragePhaseConfig(unexpected_methods={"PATCH"})),
                generation=GenerationConfig(
                    modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE], max_examples=EXAMPLES, no_shrink=True,
                    deterministic=True, database="none",
                )
            )
        )
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def url(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real ingress, in a thread of its own: Schemathesis waits for its answers."""
    ready, done, found = threading.Event(), threading.Event(), []

    async def serve(database_url: str) -> None:
        database = Database(database_url, 4)
        await database.start()
        nothing: Any = None
        home = tmp_path_factory.mktemp("admin")
        rig = Rig(settings_for(database_url, home, admin_token=ADMIN_TOKEN), database, nothing, nothing)
        async with ingress(rig) as address:
            found.append(address)
            ready.set()
            await asyncio.to_thread(done.wait)
        await database.stop()

    with postgres_server.database() as database_url:
        settle(database_url)
        thread = threading.Thread(target=lambda: asyncio.run(serve(database_url)))
        thread.start()
        assert ready.wait(20)
        yield found[0]
        done.set()
        thread.join()


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
def test_every_answer_is_one_that_is_described(case: Case, url: str) -> None:
    # A tenant that is there, or every answer would be 404; half of the ids are there as well.
    segments = case.path.split("/")
    for name in list(case.path_parameters):
        place = segments[segments.index(f"{{{name}}}") - 1]
        if name == "tenant" or (len(case.id) + hash(case.id)) % 2:
            case.path_parameters[name] = IDS.get(place, [case.path_parameters[name]])[0]
    if case.operation.definition.raw["operationId"] == "erase_tenant":
        case.path_parameters["tenant"] = "globex"  # acme is still needed
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, checks=CHECKS)
