"""Reach: whether a server answers, checked once with a short timeout."""

from urllib.parse import urlsplit

REPLY_SECONDS = 5.0
"""Seconds after which a silent server counts as unreachable."""


def reachable(address: str) -> bool:
    """Whether a server answers at this address, through the proxy named by the environment."""
    from urllib.error import HTTPError  # with ssl and http: only when a server is asked
    from urllib.request import Request, build_opener

    parts = urlsplit(address)
    root = f"{parts.scheme}://{parts.netloc}"
    try:
        with build_opener().open(Request(root, method="HEAD"), timeout=REPLY_SECONDS):  # noqa: S310  known addresses
            return True
    except HTTPError as refusal:
        refusal.close()
        return True  # it answered
    except OSError:
        return False
