"""What of a model is the installation's own: its prices, its network, its credentials."""

import pytest

from konstruct.price_list import providers_of
from konstruct.reserved import public, reserved

PRIVATE = [
    "http://169.254.169.254/latest", "http://127.0.0.1:8080/v1", "http://10.0.0.8", "https://192.168.1.1",
    "http://172.16.9.9", "http://100.64.0.1", "http://0.0.0.0", "http://[::1]:80", "http://[fe80::1]",
    "http://[fd00::1]", "http://[::ffff:127.0.0.1]", "http://[64:ff9b::a9fe:a9fe]", "http://[2002:7f00:1::]",
    "http://localhost:11434", "http://localhost.", "http://postgres:5432", "http://model.default.svc",
    "http://metadata.google.internal", "http://printer.local", "http://2130706433", "http://127.1",
    "http://0x7f000001", "http://0x7f.0.0.1", "http://017700000001",
    "http://public.example.com@169.254.169.254/", "http://169.254.169.254\\@public.example.com",
    "http://%31%36%39.254.169.254", "http://224.0.0.1", "http://１２７.0.0.1", "ftp://public.example.com",
    "file:///etc/passwd", "169.254.169.254", "public.example.com", "//public.example.com", "http://",
    "nonsense", "http://[bad", "http://public.example.com:1@127.0.0.1",
]  # fmt: skip
PUBLIC = [
    "https://api.openai.com/v1", "http://8.8.8.8", "https://[2606:4700::1111]/v1",
    "HTTPS://Acme.OpenAI.azure.com", "https://user:word@models.acme.example:8443/x",
    "https://a_b.example.co.uk./",
]  # fmt: skip
OF_THE_NODE = [
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "sagemaker/x", "vertex_ai/gemini-2.5-pro",
    "vertex_ai_beta/x", "bedrock/converse/x", "oci/x", "sap/x", "databricks/x", "github_copilot/gpt-4o",
    "chatgpt/gpt-5", "vllm/x", "ollama/llama3", "hosted_vllm/x", "litellm_proxy/x", "ai21.j2-mid-v1",
    "us.writer.palmyra-x5-v1:0", "gemini-2.5-flash",
]  # fmt: skip
ORDINARY = [
    "openai/gpt-5-mini", "gpt-4o", "mistral/stub", "anthropic/claude-sonnet-4-5", "azure/x",
    "gemini/gemini-2.5-pro",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_what_may_lead_into_the_installations_own_network_is_not_public(url: str) -> None:
    assert not public(url)
    assert reserved("openai/x", url, None)


@pytest.mark.parametrize("url", PUBLIC)
def test_servers_of_the_internet_are_public(url: str) -> None:
    assert public(url)
    assert not reserved("openai/x", url, None)


@pytest.mark.parametrize("litellm", OF_THE_NODE)
def test_providers_that_use_what_the_node_has_are_reserved(litellm: str) -> None:
    assert reserved(litellm, None, None), providers_of(litellm)


@pytest.mark.parametrize("litellm", ORDINARY)
def test_providers_that_are_given_a_key_are_not(litellm: str) -> None:
    assert not reserved(litellm, None, None), providers_of(litellm)


def test_a_server_of_ones_own_may_be_reached_where_it_is_public() -> None:
    assert not reserved("ollama/llama3", "https://models.acme.example", None)
    assert reserved("bedrock/x", "https://models.acme.example", None)


def test_a_price_is_that_of_one_model() -> None:
    price = {"input": 1, "cached": None, "output": 2}
    assert reserved("openai/a", None, price) == reserved("openai/a", None, dict(reversed(price.items())))
    assert reserved("openai/a", None, price) != reserved("openai/b", None, price)
