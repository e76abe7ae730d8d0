"""The media store on a folder and on a real S3 server on loopback."""

import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from konstruct.errors import MediaUnavailable, SettingsInvalid
from konstruct.media.store import MediaStore, open_store
from konstruct.settings import Settings

ACME, GLOBEX = uuid4(), uuid4()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_settings(endpoint: str, bucket: str) -> Settings:
    return Settings.from_environment(
        {
            "KONSTRUCT_MEDIA_URL": f"s3://{bucket}/files",
            "KONSTRUCT_MEDIA_ENDPOINT": endpoint,
            "KONSTRUCT_MEDIA_ACCESS_KEY": "key",
            "KONSTRUCT_MEDIA_SECRET_KEY": "secret",
        }
    )


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "folder":
        return open_store(Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}))
    import urllib.request

    endpoint, bucket = request.getfixturevalue("s3"), f"bucket-{uuid4()}"
    made = urllib.request.Request(
        f"{endpoint}/{bucket}",
        method="PUT",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=key/x/us-east-1/s3/x"},
    )
    assert urllib.request.urlopen(made).status == 200
    return open_store(s3_settings(endpoint, bucket))


async def test_what_is_put_is_got_back_under_its_hash(store: MediaStore) -> None:
    content = bytes(range(256)) * 5_000
    digest = await store.put(ACME, content)
    assert digest == sha256(content).hexdigest()
    assert await store.put(ACME, content) == digest
    assert await store.get(ACME, digest) == content


async def test_a_tenant_never_sees_anothers_file(store: MediaStore) -> None:
    digest = await store.put(ACME, b"acme's")
    with pytest.raises(MediaUnavailable):
        await store.get(GLOBEX, digest)
    await store.delete(GLOBEX, digest)
    assert await store.get(ACME, digest) == b"acme's"


async def test_files_are_forgotten_one_by_one_or_all_of_a_tenant(store: MediaStore) -> None:
    digests = [await store.put(ACME, f"file {n}".encode()) for n in range(7)]
    kept = await store.put(GLOBEX, b"globex'")
    await store.delete(ACME, digests[0])
    await store.delete(ACME, digests[0])
    assert await store.delete_tenant(ACME) == 6
    assert await store.delete_tenant(ACME) == 0
    for digest in digests:
        with pytest.raises(MediaUnavailable):
            await store.get(ACME, digest)
    assert await store.get(GLOBEX, kept) == b"globex'"


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
async def test_nothing_but_a_hash_names_a_file(store: MediaStore, name: str) -> None:
    with pytest.raises(MediaUnavailable, match="named by its SHA-256"):
        await store.get(ACME, name)


async def test_a_file_that_was_altered_is_not_handed_out(tmp_path: Path) -> None:
    store = open_store(Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}))
    digest = await store.put(ACME, b"true")
    (tmp_path / "media" / str(ACME) / digest).write_bytes(b"false")
    with pytest.raises(MediaUnavailable, match="is damaged"):
        await store.get(ACME, digest)


def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    open_store(Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}))
    assert stat.S_IMODE((tmp_path / "media").stat().st_mode) == 0o700
    open_store(Settings.from_environment({"KONSTRUCT_MEDIA_URL": f"file://{tmp_path}/other"}))
    assert (tmp_path / "other").is_dir()


async def test_an_s3_that_is_not_there_is_unavailable_in_time(tmp_path: Path) -> None:
    import asyncio

    store = open_store(s3_settings("http://127.0.0.1:9", "bucket"))
    async with asyncio.timeout(25):
        with pytest.raises(MediaUnavailable, match="The media store failed"):
            await store.put(ACME, b"x")


@pytest.mark.parametrize("url", ["http://bucket/x", "s3://", "file://host/x", "media"])
def test_a_place_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_MEDIA_URL must be like"):
        open_store(Settings.from_environment({"KONSTRUCT_MEDIA_URL": url}))


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsInvalid, match="cannot be used"):
        open_store(Settings.from_environment({"KONSTRUCT_MEDIA_URL": f"file://{tmp_path}/file/media"}))


def test_the_doctor_says_whether_files_can_be_kept(tmp_path: Path) -> None:
    from deployments.examinations.files import files
    from deployments.examinations.finding import Patient
    from deployments.installation.layout import Layout

    never_ran = tmp_path / "never-ran"
    unkept = files(Patient(Settings.from_environment({"KONSTRUCT_HOME": str(never_ran)}), Layout(never_ran), None))
    assert (unkept[0].state, never_ran.exists()) == ("worth a look", False)
    (tmp_path / "media").mkdir()
    well = files(Patient(Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}), Layout(tmp_path), None))
    assert (well[0].state, list((tmp_path / "media").rglob("*"))) == ("well", [])
    wrong = files(Patient(s3_settings("http://127.0.0.1:9", "bucket"), Layout(tmp_path), None))
    assert wrong[0].state == "wrong"
    assert "secret" not in wrong[0].said
