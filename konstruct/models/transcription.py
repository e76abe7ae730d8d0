"""Recordings written down by a hosted model, through LiteLLM."""

import asyncio

from konstruct.errors import KonstructError, ModelUnavailable
from konstruct.models.hosted import library, translated
from konstruct.wellformed import well_formed

MAX_TRANSCRIPT_CHARS = 8_000

# Providers tell formats by the file's name.
_ENDINGS = {
    "audio/ogg": "ogg", "audio/opus": "ogg", "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a",
    "audio/x-m4a": "m4a", "audio/m4a": "m4a", "audio/aac": "aac", "audio/wav": "wav", "audio/x-wav": "wav",
    "audio/webm": "webm", "audio/flac": "flac", "audio/amr": "amr",
}  # fmt: skip


class HostedTranscriber:
    """A transcription model that LiteLLM can name, such as openai/whisper-1."""

    def __init__(self, name: str, litellm: str, api_base: str | None, api_key: str | None) -> None:
        """`name` is the tenant's name for it."""
        self.name = name
        self._litellm = litellm
        self._api_base = api_base
        self._api_key = api_key

    async def transcribe(self, content: bytes, media_type: str, *, deadline: float) -> str:
        """What is said in the recording, "" for silence; raises ModelUnavailable or ModelRefused."""
        kind = media_type.partition(";")[0].strip().lower()
        try:
            async with asyncio.timeout(deadline):
                litellm = await asyncio.to_thread(library)
                found = await litellm.atranscription(
                    model=self._litellm,
                    file=(f"recording.{_ENDINGS.get(kind, 'ogg')}", content, kind or "audio/ogg"),
                    api_base=self._api_base,
                    api_key=self._api_key or "none",
                    timeout=deadline,
                    max_retries=0,
                    num_retries=0,
                )
        except KonstructError:
            raise
        except TimeoutError:
            raise ModelUnavailable(f"The model {self.name} did not finish within {deadline:.0f} s.") from None
        except Exception as error:  # noqa: BLE001 - LiteLLM lets through whatever its providers raise
            raise translated(error, self.name, self._api_key) from None
        text = getattr(found, "text", None)
        if not isinstance(text, str):
            raise ModelUnavailable(f"The model {self.name} gave no transcript.")
        return well_formed(text).strip()[:MAX_TRANSCRIPT_CHARS]
