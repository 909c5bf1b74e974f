"""Two questions to LangSmith: take this batch, and which project is that? Every answer has a name.

Knows what a service can answer, and what that means for the next batch. Refuses to know when it is asked.
"""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from graphs.tracing.outbox import ENDPOINT, Batch
from graphs.tracing.service import Service

if TYPE_CHECKING:
    import requests

KEY_REFUSED, CONFLICT, BUSY = (401, 403), 409, 429
BATCH_REFUSED = (400, 413, 415, 422)
Timeout = tuple[float, float]  # seconds to connect, and between two bytes of an answer


@dataclass(frozen=True)
class Trouble:
    """Why a batch was not taken, in words that follow "LangSmith". pause: seconds of patience it asked for.

    then: whether to go on with the next batch, with this one later, or with none.
    """

    words: str
    then: Literal["next", "later", "none"] = "later"
    pause: float = 0.0


def send(http: "requests.Session", service: Service, batch: Batch, *, timeout: Timeout) -> Trouble | None:
    """Post one batch; None when it arrived, now or before."""
    import requests

    url, headers = f"{service.url}/{ENDPOINT}", service.headers | batch.headers
    try:
        with http.post(
            url, data=batch.body, headers=headers, timeout=timeout, stream=True, allow_redirects=False
        ) as answer:
            return _trouble(answer.status_code, answer.headers.get("Retry-After", ""))
    except requests.Timeout:
        return Trouble("does not answer")
    except requests.ConnectionError:
        return Trouble("cannot be reached")
    except (requests.RequestException, ValueError) as error:
        return Trouble(f"cannot be asked: {' '.join(str(error).split())[:120]}", "none")


def project_address(http: "requests.Session", service: Service, *, timeout: Timeout) -> str | None:
    """The address of the project that traces go to; None when the service does not tell."""
    import requests
    from langsmith.utils import get_host_url

    params = {"name": service.project, "limit": "1", "include_stats": "false"}
    try:
        answer = http.get(
            f"{service.url}/sessions", params=params, headers=service.headers, timeout=timeout, allow_redirects=False
        )  # the key goes nowhere else
        found = answer.json()[0] if answer.status_code == 200 else {}
        tenant, project = uuid.UUID(found["tenant_id"]), uuid.UUID(found["id"])
    except (requests.RequestException, ValueError, LookupError, TypeError, AttributeError):
        return None
    hosted = urlsplit(service.url).hostname or ""
    own = service.url.removesuffix("/v1").removesuffix("/api")
    pages = get_host_url(None, service.url) if hosted.endswith("smith.langchain.com") else own
    return f"{pages}/o/{tenant}/projects/p/{project}"


def _trouble(status: int, retry_after: str) -> Trouble | None:
    if 200 <= status < 300 or status == CONFLICT:  # conflict: it is there already
        return None
    if status in KEY_REFUSED:
        return Trouble(f"refuses the key ({status})", "none")
    if status == BUSY:
        pause = float(retry_after) if retry_after.isdecimal() else 0.0
        return Trouble(f"takes no more for now ({status})", pause=pause)
    if status >= 500:
        return Trouble(f"is unavailable ({status})")
    if status in BATCH_REFUSED:
        return Trouble(f"refuses a batch ({status})", "next")
    return Trouble(f"is not what answers there ({status})", "none")
