"""What of a model only the installation's owner decides: its price, and whatever is the installation's own."""

import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from konstruct.price_list import providers_of

# Where LiteLLM signs in with what it finds on the node: environment, files, the cloud's metadata service.
CREDENTIALS_OF_THE_NODE = re.compile(
    r"(aws_|bedrock|sagemaker|vertex_ai|langfuse|humanloop|dotprompt).*"
    r"|transcribe|gdc|oci|sap|databricks|snowflake|gigachat|watsonx.*|github_copilot|chatgpt|vllm|petals|custom|auto_router"
)
# What LiteLLM looks for on the node itself where no api_base says otherwise.
ON_THE_NODE = re.compile(
    r"ollama.*|llamafile|lemonade|lm_studio|hosted_vllm|docker_model_runner|xinference|lang(graph|flow)|litellm_.*"
    r"|oobabooga|openai_like|custom_openai|infinity|triton|ragflow|predibase|a2a.*|agentcore"
)
NAME = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
# Names that no public server has; some lead to a metadata service, others into a cluster.
PRIVATE_NAMES = (
    "local",
    "localhost",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "arpa",
    "svc",
)


def reserved(litellm: str, api_base: str | None, price: Mapping[str, Any] | None) -> dict[str, str]:
    """What such a model has that only the installation's owner may give it or change: what it is called, and its value.

    A price is that of one LiteLLM model: for another one it would be a new price.
    """
    found = {"`price`": f"{litellm} {orjson.dumps(price, option=orjson.OPT_SORT_KEYS).decode()}"} if price else {}
    if api_base and not public(api_base):
        found["an `api_base` that is no public address"] = api_base
    if any(_of_the_node(provider, api_base) for provider in providers_of(litellm)):
        found["a `litellm` provider that uses what the installation's own machine has"] = litellm
    return found


def public(url: str) -> bool:
    """Whether its host is a public address, or a name as public servers have; a name is not looked up."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    if re.search(r"[\\\s\x00-\x1f]", url) or not url.lower().startswith(("https://", "http://")):
        return False
    if NAME.fullmatch(host):
        return host.rpartition(".")[2] not in PRIVATE_NAMES
    return _public_address(host)


def _public_address(host: str) -> bool:
    try:
        # Also 127.1, 0x7f000001 and 2130706433: the system's resolver knows them all.
        address = ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))
    except (OSError, ValueError):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # Others lead into IPv4, or out of the internet.
        return address in ipaddress.ip_network("2000::/3") and address.is_global and address.sixtofour is None
    return address.is_global and not address.is_multicast


def _of_the_node(provider: str, api_base: str | None) -> bool:
    if CREDENTIALS_OF_THE_NODE.fullmatch(provider):
        return True
    return not api_base and bool(ON_THE_NODE.fullmatch(provider))
