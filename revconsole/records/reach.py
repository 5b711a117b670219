"""Reach: whether a server answers, asked once and soon, before anything waits for it."""

from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener

REPLY_SECONDS = 5.0
"""A server that does not answer so soon is taken for out of reach."""


def reachable(address: str) -> bool:
    """Whether a server answers there, through whatever proxy the environment names now."""
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
