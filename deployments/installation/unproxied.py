"""How an installation's own ports are asked: a proxy of the operator's environment must not see these requests."""

from urllib.request import ProxyHandler, build_opener

OPENER = build_opener(ProxyHandler({}))
