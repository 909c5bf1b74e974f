"""Who may ask the pages and how, what a form must bring, and the command that serves them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from graphs.review import main
from graphs.reviewing.app import Review
from graphs.reviewing.guard import LARGEST_BODY
from graphs.state import STORE
from memory import notes
from memory.notes import NoteError
from memory.records import Step
from memory.store import Store
from tests.graphs.review_home import BAD, DEAD, GOOD, PORT, TRAVERSAL, Words, begin_night, browser, make

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_this_machine_is_answered(client: TestClient, host: str) -> None:
    assert client.get("/night", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", f"evil.test:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.test:{PORT}", f"0.0.0.0:{PORT}",
        f"localhost.evil.test:{PORT}", f"evil.test@127.0.0.1:{PORT}", "", f"127.0.0.1:{PORT}, evil.test",
    ],
)  # fmt: skip
def test_a_foreign_name_that_points_here_is_not_answered(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert GOOD not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, f"/run/{GOOD}").status_code == 405


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/?q=" + "x" * 3000, 414),
        ("/?q=" + "x" * 400, 400),
        ("/" + "x" * 1000, 414),
        ("/?page=0", 400),
        ("/?page=-1", 400),
        ("/?page=99999999999999999999", 400),
        ("/?page=%F0%9D%9F%99", 400),
        ("/?sort=id;drop+table+runs", 400),
        ("/?layer=1+or+1", 400),
        (f"/run/{GOOD}/records?order=peak;--", 400),
        (f"/run/{GOOD}/records?origin=anywhere", 400),
        (f"/run/{GOOD}/record/x", 400),
        ("/run/' OR 1=1 --", 404),
        ("/run/none/trace", 404),
        ("/nothing", 404),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(client: TestClient, address: str, status: int) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    line = re.search(r'role="alert">(.*?)</p>|^(.*)\n$', answer.text)
    assert line
    assert len(line[0]) < 600


def test_words_of_sql_are_only_words(client: TestClient) -> None:
    for words in ("'; DROP TABLE runs; --", "%", "_", '"', "\\", "\x00", "$words", "{}"):
        assert client.get("/", params={"q": words}).status_code == 200
        assert client.get(f"/run/{GOOD}/records", params={"words": words, "hypothesis": words}).status_code == 200
    assert "5 of 5 runs" in client.get("/").text


@pytest.mark.parametrize("path", [TRAVERSAL, "..%2Foutside", "../../outside", "%2e%2e/%2e%2e/outside", "..\\outside"])
@pytest.mark.parametrize("part", ["", "/report"])
def test_a_run_id_is_never_a_path(client: TestClient, path: str, part: str) -> None:
    answer = client.get(f"/run/{path}{part}")
    assert "secret" not in answer.text
    assert answer.status_code == 404


def test_only_the_report_of_a_known_run_is_served_and_cannot_run_anything(client: TestClient, reviewed: Path) -> None:
    answer = client.get(f"/run/{GOOD}/report")
    assert "the report" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"  # else a browser opens no sandbox
    (reviewed / "reports" / "stray.html").write_text("secret")
    (reviewed / "reports" / "other-L2N117.html").symlink_to(reviewed.parent / "outside.html")
    assert client.get("/run/stray/report").status_code == 404
    assert client.get("/run/other-L2N117/report").status_code == 404


def note(client: TestClient, text: str, run: str = GOOD, **headers: str) -> int:
    """Send the form of a neuron page with its token; the status of the answer."""
    token = re.search(r'name="token" value="([^"]+)"', client.get(f"/run/{GOOD}").text)
    assert token
    answer = client.post(f"/run/{run}/note", data={"token": token[1], "text": text}, headers=headers)
    assert answer.status_code != 303 or answer.headers["location"] == f"/run/{GOOD}#notes"
    return answer.status_code


def test_a_note_is_kept_and_shown_as_text(client: TestClient, reviewed: Path) -> None:
    assert note(client, "seems right\n<script>alert(1)</script> \x1b[31m") == 303
    assert note(client, "and again", origin="null") == 303
    assert note(client, "语" * notes.LONGEST) == 303
    page = client.get(f"/run/{GOOD}").text
    assert "seems right\n&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m" in page
    lines = (reviewed / "notes" / f"{GOOD}.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines][1] == "and again"


def test_what_a_conversation_noted_is_shown_beside_the_notes(tmp_path: Path) -> None:
    home = make(tmp_path / "runs")
    with Store.open(home / STORE) as store:
        store.commit(Step(DEAD, 9, "conversation", {"spoken_of": "note", "note": "silent\n<script>even</script> here"}))
    review = Review(home, open_encoder=Words)
    try:
        page = browser(review).get(f"/run/{DEAD}").text
    finally:
        review.close()
    assert "silent\n&lt;script&gt;even&lt;/script&gt; here" in page
    assert "Nobody has noted anything" not in page


@pytest.mark.parametrize("token", ["", "x", "é", "\ud800"])
def test_a_note_without_the_token_is_not_kept(client: TestClient, reviewed: Path, token: str) -> None:
    before = notes.read(reviewed, GOOD)
    data = {"token": token, "text": "forged"}.items()
    body = "&".join(f"{name}={value}" for name, value in data).encode("utf-8", "replace")
    assert client.post(f"/run/{GOOD}/note", content=body).status_code == 403
    assert client.post(f"/run/{GOOD}/note", data={"text": "forged"}).status_code == 403
    assert notes.read(reviewed, GOOD) == before


def test_a_form_from_elsewhere_is_not_kept(client: TestClient, reviewed: Path) -> None:
    before = notes.read(reviewed, GOOD)
    assert note(client, "x", origin="http://evil.test") == 403
    assert note(client, "x", origin=f"https://127.0.0.1:{PORT}") == 403
    assert note(client, "x", **{"sec-fetch-site": "cross-site"}) == 403
    assert note(client, "x", host="evil.test") == 421
    assert notes.read(reviewed, GOOD) == before


def test_notes_that_cannot_be_kept_are_refused(client: TestClient, reviewed: Path) -> None:
    assert note(client, "   ") == 400
    assert note(client, "x" * 4001) == 400
    assert note(client, "x" * LARGEST_BODY) == 413
    assert note(client, "x", run="none") == 404
    assert note(client, "x", run=BAD.replace(" ", "%20")) == 400
    assert note(client, "x", run=TRAVERSAL) == 404
    assert client.post(f"/run/{GOOD}/note", content=iter([b"token=x", b"&text=x"])).status_code == 411
    assert client.get(f"/run/{GOOD}/note").status_code == 405
    assert not list(reviewed.parent.rglob("outside.jsonl"))


def test_a_torn_note_hides_no_other(tmp_path: Path) -> None:
    notes.add(tmp_path, "run", "one")
    with (tmp_path / "notes" / "run.jsonl").open("ab") as file:
        file.write(b'{"time": 1, "te\n[1]\nnull\n')
    notes.add(tmp_path, "run", "two")
    kept, broken = notes.read(tmp_path, "run")
    assert ([each.text for each in kept], broken) == (["one", "two"], 3)


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "a/b", "a..b", "-x", "a\n", "a\x00", "x" * 200])
def test_a_note_is_never_kept_under_a_path(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(NoteError):
        notes.add(tmp_path, run_id, "text")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1e3", "", "٣"])
def test_a_bad_port_is_one_line(port: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([f"--port={port}", f"--home={tmp_path}"]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_an_occupied_port_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main([f"--port={other.getsockname()[1]}", f"--home={tmp_path}"]) == 2
    said = capfd.readouterr().err
    assert "take another --port" in said
    assert len(said.splitlines()) == 1


def test_a_missing_folder_and_a_damaged_store_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--port=0", f"--home={tmp_path / 'none'}"]) == 2
    (tmp_path / "neuronaut.duckdb").write_bytes(b"not a store" * 1000)
    assert main(["--port=0", f"--home={tmp_path}"]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 2


@pytest.fixture(scope="module")
def server(reviewed: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The command in a process of its own: its address and the process."""
    command = [sys.executable, "-m", "graphs.review", "--port=0", f"--home={reviewed}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        if process.poll() is None:
            process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the whole of 127.0.0.0/8")
@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_the_command_listens_on_one_address_alone(server: tuple[str, "subprocess.Popen[str]"]) -> None:
    address, _ = server
    with pytest.raises(httpx.ConnectError):
        httpx.get(address.replace("127.0.0.1", "127.0.0.2"))


def test_the_command_answers_on_loopback_only(server: tuple[str, "subprocess.Popen[str]"]) -> None:
    address, _ = server
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    answer = httpx.get(address)
    assert (answer.status_code, "5 of 5 runs" in answer.text) == (200, True)
    assert "server" not in answer.headers
    assert httpx.get(address, headers={"host": "evil.test"}).status_code == 421


def browse(address: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Open an address in a headless browser that has never been used."""
    assert CHROMIUM
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
    command = [CHROMIUM, *quiet, f"--user-data-dir={folder / 'profile'}", *words, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_a_browser_draws_every_page_and_runs_nothing(
    server: tuple[str, "subprocess.Popen[str]"], reviewed: Path, tmp_path: Path
) -> None:
    address, _ = server
    begin_night(reviewed)
    bad = BAD.replace(" ", "%20")
    parts = [f"run/{bad}{part}" for part in ("", "/trace", "/records", "/record/900")]
    pages = ["", *parts, f"compare?a={GOOD}&b={bad}", "night?still=1"]
    for page in pages:
        seen = browse(address + page, tmp_path, "--dump-dom")
        assert '<main id="main"' in seen.stdout, seen.stderr
        assert "<script" not in seen.stdout
        assert "Refused" not in seen.stderr  # what the policy had to forbid
    assert "the report" in browse(f"{address}run/{GOOD}/report", tmp_path, "--dump-dom").stdout
    picture = tmp_path / "page.png"
    browse(f"{address}run/{GOOD}", tmp_path, "--window-size=390,844", f"--screenshot={picture}")
    data = picture.read_bytes()
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (390, 844)
    assert len(data) > 10_000  # something is drawn


def test_a_stopped_server_ends_well(server: tuple[str, "subprocess.Popen[str]"]) -> None:
    _, process = server
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")
