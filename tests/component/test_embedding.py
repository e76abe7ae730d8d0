"""Embeddings: the real model, exported as an installation exports it."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from actors.embedder import Embedder
from deployments import weights
from konstruct.embedding import (
    DIMENSIONS,
    ONNX_FILE,
    Encoder,
    OnnxEncoder,
    SentenceTransformerEncoder,
    Vectors,
    encoder_for,
)

QUESTION = "When do you open on Sunday?"
FACTS = [
    "The shop opens at nine on Sundays.",
    "My dog is called Rex.",
    "Shoes can be returned within 30 days.",
]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    weights.prepare(folder, lambda _: None, local_model=False)
    return folder


@pytest.fixture(scope="session")
def encoder(home: Path) -> Encoder:
    loaded = encoder_for("cpu", home)
    loaded.start()
    return loaded


def test_every_text_gets_one_row_of_length_one_in_order(encoder: Encoder) -> None:
    rows = encoder.encode(FACTS)
    assert rows.shape == (3, DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.array_equal(rows[1], encoder.encode([FACTS[1]])[0])


def test_the_fact_that_answers_the_question_is_nearest(encoder: Encoder) -> None:
    assert int(np.argmax(encoder.encode(FACTS) @ encoder.encode([QUESTION])[0])) == 0


def test_neighbours_in_a_batch_do_not_change_a_vector(encoder: Encoder) -> None:
    long = "A very long story about bread. " * 200
    assert np.array_equal(encoder.encode([QUESTION, long])[0], encoder.encode([QUESTION])[0])


@pytest.mark.parametrize("text", ["", " ", "a\0b", "bro\ud83dken", "😀", "word " * 50_000, "é" * 10_000])
def test_any_text_can_be_embedded(encoder: Encoder, text: str) -> None:
    rows = encoder.encode([text])
    assert rows.shape == (1, DIMENSIONS)
    assert np.isfinite(rows).all()


def test_no_texts_are_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, DIMENSIONS)


def test_a_second_preparation_changes_nothing(home: Path) -> None:
    before = (home / ONNX_FILE).stat()
    steps: list[str] = []
    weights.prepare(home, steps.append, local_model=False)
    assert (home / ONNX_FILE).stat() == before
    assert not steps
    assert not list((home / "models").glob(".preparing-*"))


def test_an_interrupted_preparation_leaves_nothing_that_looks_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(folder: Path) -> None:
        (folder / ONNX_FILE.name).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "_export_embedding", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights.prepare(tmp_path, lambda _: None, local_model=False)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_missing_package_is_named_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MODEL_PACKAGE", "no_such_weights")
    with pytest.raises(weights.WeightsUnavailable, match="no-such-weights is not installed"):
        weights.prepare(tmp_path, lambda _: None, local_model=False)


def test_the_quantised_model_agrees_with_the_original(encoder: Encoder) -> None:
    original = SentenceTransformerEncoder("cpu")
    original.start()
    texts = [QUESTION, *FACTS]
    assert (original.encode(texts) * encoder.encode(texts)).sum(axis=1).min() > 0.98


def test_other_devices_get_the_original_model(home: Path) -> None:
    assert isinstance(encoder_for("cuda", home), SentenceTransformerEncoder)
    assert isinstance(encoder_for("cpu", home), OnnxEncoder)


class Slow:
    dimensions = DIMENSIONS
    started = False

    def start(self) -> None:
        self.started = True

    def encode(self, texts: Sequence[str]) -> Vectors:
        time.sleep(0.2)
        return np.full((len(texts), DIMENSIONS), 0.5, np.float32)


async def test_the_embedder_does_not_block_its_event_loop() -> None:
    embedder = Embedder(Slow())
    await embedder.start()
    ticks = 0
    embedding = asyncio.create_task(embedder.embed(["a", "b"]))
    while not embedding.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 5
    assert embedding.result() == [[0.5] * DIMENSIONS] * 2
    await embedder.stop()
