"""The pages over the store: what they show, how they are asked, and that nothing on them is more than text."""

import math
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from graphs.reviewing.app import Review
from graphs.reviewing.drawing import step_address
from memory import excerpts
from memory.records import Run
from memory.store import Store
from tests.graphs.review_home import (
    BAD,
    DEAD,
    GOOD,
    OTHER,
    TARGET,
    UNSAFE,
    Words,
    begin_night,
    browser,
    make,
    records_of,
)
from tests.graphs.sample_findings import with_calls

PAGES = [
    "/",
    "/?q=self&sort=score",
    "/?page=9",
    *(f"/run/{quote(run)}{part}" for run in (GOOD, DEAD, OTHER, BAD) for part in ("", "/trace", "/records")),
    f"/run/{GOOD}/record/11",
    f"/run/{quote(BAD)}/record/900",
    "/compare",
    f"/compare?a={GOOD}&b={quote(BAD)}",
    f"/compare?a={DEAD}&b=L2N117",
    "/night",
    "/run/none",
    f"/?q={quote(UNSAFE)}",
]


def shown(client: TestClient, address: str) -> str:
    """What a page says, without its tags."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def units(client: TestClient, address: str) -> list[str]:
    """The runs that a list shows, in order, by their address."""
    return re.findall(r'<th scope="row"><a href="/run/([^"]+)">', client.get(address).text)


class Tags(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_list_shows_units_verdicts_scores_and_floors(client: TestClient) -> None:
    words = shown(client, "/")
    assert "1 to 5 of 5 runs" in words
    assert "L2N117" in words
    assert "n-gram" in words
    assert "0.81 0.76 to 0.85" in words
    assert "floor 0.44" in words


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=first+parameter", {GOOD, OTHER}),
        ("q=l0n3", {DEAD}),
        ("q=0.3", {DEAD}),
        ("verdict=none", {DEAD, quote("../../outside", safe="")}),
        ("layer=0", {DEAD}),
        ("q=first&layer=0", set()),
        ("verdict=context", {quote(BAD)}),
    ],
)
def test_the_list_is_searched_and_filtered(client: TestClient, asked: str, found: set[str]) -> None:
    assert set(units(client, f"/?{asked}")) == found


def test_the_list_is_sorted_both_ways_with_what_is_missing_last(client: TestClient) -> None:
    down, up = (units(client, f"/?sort=score&order={order}") for order in ("desc", "asc"))
    assert down[:2] == up[1::-1] == [OTHER, GOOD]
    assert set(down[2:]) == set(up[2:]) == {DEAD, quote(BAD), quote("../../outside", safe="")}
    assert units(client, "/?sort=name")[0] == DEAD


def test_a_search_by_meaning_puts_the_nearest_first_and_says_how_near(client: TestClient) -> None:
    deadline = time.monotonic() + 10
    while not (found := units(client, "/?like=self+as+the+first+parameter+of+a+method")):
        assert time.monotonic() < deadline
    assert set(found[:2]) == {GOOD, OTHER}
    assert "cosine" in shown(client, "/?like=self+as+the+first+parameter+of+a+method")
    assert units(client, "/?like=self+as+the+first+parameter+of+a+method&verdict=context") == [quote(BAD)]


def test_the_neuron_page_shows_evidence_and_the_fate_of_claims(client: TestClient) -> None:
    words = shown(client, f"/run/{GOOD}")
    for part in (
        "Fires on self as the first parameter",
        "held in 5 of 6 minimal pairs",
        "floor 0.44 (token lookup)",
        "supported",
        "refuted",
        "What it brings about",
        "Minimal triggers",
        f"All {len(records_of(with_calls()))} records",
    ):
        assert part in words, part
    page = client.get(f"/run/{GOOD}").text
    assert "Search curve" in page
    assert "Activation against cross-entropy" in page
    assert f'href="/run/{GOOD}/report"' in page


def test_a_run_without_an_explanation_has_a_page_too(client: TestClient) -> None:
    assert "No explanation was reached." in shown(client, f"/run/{DEAD}")
    assert "This run is not finished: running." in shown(client, f"/run/{OTHER}")


def test_the_records_are_sorted_filtered_and_in_pages(client: TestClient) -> None:
    def peaks(asked: str) -> list[float]:
        found = re.findall(r'</th><td class="right">([^<]+)</td>', client.get(f"/run/{GOOD}/records?{asked}").text)
        return [float(peak.replace("−", "-")) for peak in found if peak != "–"]

    assert peaks("") == sorted(peaks(""), reverse=True)
    assert peaks("order=peak_asc") == sorted(peaks("order=peak_asc"))
    assert len(peaks("origin=swap")) == 5
    assert len(peaks("words=async+def")) == 1
    assert "no records on page 7: there are" in shown(client, f"/run/{GOOD}/records?page=7")
    assert f'href="/run/{GOOD}/records' in client.get(f"/run/{GOOD}/records?page=7").text.partition("page 7 of")[0]


def test_a_record_shows_every_token_and_what_it_was_made_from(client: TestClient) -> None:
    words = shown(client, f"/run/{GOOD}/record/61")
    assert "What it was made from" in words
    assert "Token by token" in words
    assert client.get(f"/run/{GOOD}/record/123456").status_code == 404
    assert f'href="/run/{GOOD}/trace?page=1#step-2"' in client.get(f"/run/{GOOD}/record/61").text
    assert step_address("a run", 130) == "/run/a%20run/trace?page=2#step-130"


def test_the_trace_tells_nodes_reasons_exchanges_and_what_was_turned_down(client: TestClient) -> None:
    words = shown(client, f"/run/{GOOD}/trace")
    measured = f"{len(records_of(with_calls()))} measured"
    for part in ("supervisor → survey", "nothing is known yet", measured, "40 forward passes", "1 duplicate"):
        assert part in words, part
    assert "proposed twice" in words
    assert "You study one neuron." in words
    assert "any use of self" in words
    assert "timeout" in words
    assert "supervisor" not in shown(client, f"/run/{GOOD}/trace?node=explainer").partition("Steps")[2]


def test_two_runs_or_units_stand_side_by_side(client: TestClient) -> None:
    words = shown(client, f"/compare?a={GOOD}&b={OTHER}")
    assert f"{len({row.prompt.key for row in records_of(with_calls()) if row.peak is not None})} texts" in words
    assert "their peaks correlate at 1.00" in words
    assert "simulation correlation" in words
    assert "No explanation was reached." in shown(client, "/compare?a=l0n3&b=L2N117")
    assert "No explanation was reached." in shown(client, "/compare?a=0.3&b=2:117")
    assert client.get("/compare?a=L7N7&b=L2N117").status_code == 404


def test_the_night_is_shown_as_it_goes_and_without_one(client: TestClient, reviewed: Path) -> None:
    assert "No overnight run yet" in shown(client, "/night")
    begin_night(reviewed)
    words = shown(client, "/night")
    for part in ("done of 40", "prune augment", "1 h 30 min", "set aside", "SubjectError", "3.75", "floor 0.44"):
        assert part in words, part
    assert '<meta http-equiv="refresh" content="5">' in client.get("/night").text
    assert 'http-equiv="refresh"' not in client.get("/night?still=1").text
    assert f'<a href="/run/{GOOD}">L2N117</a>' in client.get("/night").text
    assert client.get("/night/report").status_code == 404
    (begin_night(reviewed, waits="the store is in use").parent / "morning.html").write_text("<p>good morning")
    assert "It waits: the store is in use" in shown(client, "/night")
    assert "sandbox" in client.get("/night/report").headers["content-security-policy"]
    assert '<a href="/night/report">' in client.get("/night").text
    shown_at = client.get(f"/reports/{GOOD}.html")
    assert shown_at.status_code == client.get(f"/run/{GOOD}/report").status_code
    assert client.get("/reports/nobody.html").status_code == 404
    assert client.get("/reports/..%2f..%2fetc.html").status_code == 404


@pytest.mark.parametrize(
    ("beat", "said"),
    [
        ({"time": 1000.0}, "No sign of it"),
        ({"state": "finished", "time": 1000.0}, "Look again"),
        (
            {"workers": "none", "best": [1, None], "done": "many", "hours": math.nan, "total": 0},
            "Nobody is at work",
        ),
    ],
)
def test_a_heartbeat_is_not_taken_on_trust(
    client: TestClient, reviewed: Path, beat: dict[str, object], said: str
) -> None:
    begin_night(reviewed, **beat)
    assert said in shown(client, "/night")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_torn_heartbeat_is_said_to_be_one(client: TestClient, reviewed: Path, content: bytes) -> None:
    begin_night(reviewed).write_bytes(content)
    assert "the heartbeat cannot be read" in shown(client, "/night")


@pytest.mark.parametrize("address", PAGES)
def test_no_page_holds_a_script_a_style_or_a_foreign_address(client: TestClient, reviewed: Path, address: str) -> None:
    begin_night(reviewed)
    answer = client.get(address)
    page = Tags()
    page.feed(answer.text)
    assert answer.status_code in (200, 404)
    assert not {"script", "style", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "action"):
            value = attributes.get(name)
            assert value is None or re.match(r"/(?!/)|#|data:,$|(trace|records)(\?|$)", value), value
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", answer.text)
    assert "<script" not in answer.text


def test_hostile_text_is_on_the_pages_as_text(client: TestClient) -> None:
    for part in ("", "/trace", "/records"):
        page = client.get(f"/run/{quote(BAD)}{part}").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "\\x1b[31m" in page


def test_every_answer_carries_the_headers_that_forbid_the_rest(client: TestClient) -> None:
    for address in (*PAGES, "/review.css", "/nothing", "/?page=x"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} <= set(policy.split("; "))
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_can_be_used_from_the_keyboard_and_on_a_phone(client: TestClient) -> None:
    for address in PAGES:
        page = Tags()
        page.feed(client.get(address).text)
        named = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
        fields = [a for tag, a in page.tags if tag in ("input", "select", "textarea") and a.get("type") != "hidden"]
        assert all(field["id"] in named for field in fields)
        assert any(tag == "meta" and a.get("name") == "viewport" for tag, a in page.tags)
        assert ("a", {"class": "skip", "href": "#main"}) in page.tags
        assert sum(tag == "h1" for tag, _ in page.tags) == 1


def test_a_run_that_is_written_meanwhile_is_on_the_next_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts, "EVERY", 0.0)
    review = Review(make(tmp_path / "runs"), open_encoder=Words)
    client = browser(review)
    assert "5 of 5 runs" in shown(client, "/")
    with Store.open(tmp_path / "runs" / "neuronaut.duckdb") as store:
        store.begin(Run("new", TARGET, 1, {}))
    deadline = time.monotonic() + 10
    while "6 of 6 runs" not in shown(client, "/"):
        assert time.monotonic() < deadline
    review.close()


def test_a_run_says_where_it_is_traced_and_only_an_address_of_the_web_is_a_link(tmp_path: Path) -> None:
    with Store.open(tmp_path / "neuronaut.duckdb") as store:
        store.begin(Run("traced", TARGET, 1, {}))
        for trace, address in (("one", 'https://traces/?a=1&b="><b>'), ("two", "javascript:alert(1)"), ("three", None)):
            store.keep_trace("traced", trace, address)
    review = Review(tmp_path, open_encoder=Words)
    page = browser(review).get("/run/traced").text
    review.close()
    assert page.count("<dt>trace</dt>") == 3
    assert '<a href="https://traces/?a=1&amp;b=&#34;&gt;&lt;b&gt;" rel="noopener noreferrer">one</a>' in page
    assert "javascript:" not in page


def test_a_store_that_is_owned_and_was_never_published_is_named(tmp_path: Path) -> None:
    review = Review(tmp_path)
    client = browser(review)
    owner = (
        "import sys, pathlib; from memory.store import Store; store = Store.open(pathlib.Path(sys.argv[1]));"
        "print('owned', flush=True); sys.stdin.readline(); store.close()"
    )
    command = [sys.executable, "-c", owner, str(tmp_path / "neuronaut.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        answer = client.get("/")
        assert answer.status_code == 503
        assert "in use by process" in answer.text
        assert client.get("/night").status_code == 200
        process.communicate("\n")
    assert client.get("/").status_code == 200
    review.close()
