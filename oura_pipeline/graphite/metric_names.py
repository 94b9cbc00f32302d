"""Ask graphite-web which metric names exist."""

from __future__ import annotations

import httpx
import msgspec

from oura_pipeline.graphite.carbon import GraphiteUnavailable


class _Node(msgspec.Struct):
    text: str


_NODES = msgspec.json.Decoder(list[_Node])


def child_names(http: httpx.Client, url: str, prefix: str) -> set[str]:
    """Return the names directly below a prefix.

    Args:
        http: the client to ask with.
        url: the address of graphite-web.
        prefix: the components of a name, joined by dots.

    Raises:
        GraphiteUnavailable: graphite-web does not answer, or something else answers.
    """
    address = f"{url.rstrip('/')}/metrics/find/"
    try:
        answer = http.get(address, params={"query": f"{prefix}.*"}).raise_for_status()
        return {node.text for node in _NODES.decode(answer.content)}
    except (httpx.HTTPError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise GraphiteUnavailable(
            f"{address} does not answer like graphite-web ({type(error).__name__}): is it "
            "running, and is GRAPHITE_RENDER_URL its address?",
            retryable=False,
        ) from error
