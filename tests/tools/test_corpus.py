"""Whatever the text comes from, rows know their place, halves share no text, and nothing to read is one clear line."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.tiny_models import WORDS
from tools import corpus
from tools.corpus import CorpusError, documents, fingerprint, rows
from tools.subject import Subject


def text(number: int, *, words: int = 60) -> str:
    """A text of its own: no two numbers share twelve tokens in a row."""
    drawn = np.random.default_rng(number).choice(WORDS, words)
    return f"{number}: " + " ".join(drawn) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen files in two folders, and what a corpus passes over."""
    home = tmp_path / "library"
    for number in range(16):
        place = home / ("a" if number % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(text(number), encoding="utf-8")
    (home / "picture.png").write_bytes(b"\x89PNG\0")
    (home / "binary.txt").write_bytes(b"\0\1\2" * 90)
    (home / "latin.txt").write_bytes(b"caf\xe9 " * 90)
    (home / "empty.txt").write_text("")
    for skipped in (".git", "site-packages", "__pycache__"):
        (home / skipped).mkdir()
        (home / skipped / "x.py").write_text(text(99))
    return home


def jsonl(path: Path, texts: list[str]) -> Path:
    path.write_text("\n".join(json.dumps({"text": each}, ensure_ascii=False) for each in texts), encoding="utf-8")
    return path


def shown(subject: Subject, found: corpus.Rows) -> list[str]:
    return [subject.decode(found.ids(row)) for row in range(len(found.lengths))]


def test_a_folder_is_read_file_by_file_and_passes_over_what_is_not_text(tiny: Subject, folder: Path) -> None:
    found = rows(tiny, str(folder), 10_000)
    everything = "".join(text(number) for number in range(16))
    assert all(row in everything for row in shown(tiny, found))
    assert {Path(source.rpartition(":")[0]).name for source in found.sources} == {f"{n}.txt" for n in range(16)}
    assert found.tokens.shape == (len(found.lengths), tiny.context - 1)
    assert found.tokens.dtype == np.int32


def test_a_file_whose_name_is_not_utf8_has_one_that_can_be_kept(tiny: Subject, tmp_path: Path) -> None:
    for number in range(16):
        (tmp_path / os.fsdecode(b"caf\xe9 %d.txt" % number)).write_text(text(number))
    found = rows(tiny, str(tmp_path), 10_000)
    assert {source.encode().rpartition(b"/")[2][:8] for source in found.sources} == {b"caf\\xe9 "}


def test_a_text_file_a_jsonl_and_a_parquet_file_give_the_documents_in_them(tmp_path: Path) -> None:
    texts = [text(number) for number in range(9)]
    table = pa.table({"id": list(range(10)), "text": [*texts, None]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    jsonl(tmp_path / "a.jsonl", texts)
    for name in ("a.parquet", "a.jsonl"):
        found = list(documents(str(tmp_path / name)))
        assert [document.text for document in found] == texts
        assert [document.source for document in found] == [f"{tmp_path / name}#{n}" for n in range(1, 10)]


def test_a_jsonl_line_may_hold_any_unicode_and_bare_strings(tmp_path: Path) -> None:
    odd = "one\u2028two\x0bthree\x85four \U0001f30a"
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"text": odd}, ensure_ascii=False) + '\n\n"bare"\n{"title": "no text"}\n[1]\n', "utf-8")
    assert [(d.text, d.source) for d in documents(str(path))] == [(odd, f"{path}#1"), ("bare", f"{path}#3")]


def test_half_a_surrogate_in_a_document_does_not_stop_the_reading(tiny: Subject, tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"\ud800 {text(number)}"}) for number in range(12)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert len(rows(tiny, str(tmp_path / "a.jsonl"), 9000).lengths) >= 12


def test_the_standard_library_is_there_without_a_download() -> None:
    first = next(iter(documents("stdlib")))
    assert first.source.endswith(".py")
    assert first.text


def test_one_big_text_file_is_cut_into_sections_that_know_their_line(tmp_path: Path) -> None:
    lines = [f"line {number}\x0c of a long book\n" + "\n" * (number % 40 == 0) for number in range(2000)]
    path = tmp_path / "book.txt"
    path.write_text("".join(lines), encoding="utf-8")
    found = list(documents(str(path)))
    whole = path.read_text(encoding="utf-8")
    assert "".join(document.text for document in found) == whole
    assert len(found) > 8
    for document in found:
        assert len(document.text) < corpus.SECTION + 100
        start = whole.index(document.text)
        assert document.line == 1 + whole[:start].count("\n")


def test_a_text_in_a_single_line_is_cut_into_sections_too(tiny: Subject, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(" ".join(text(number).strip() for number in range(200)), encoding="utf-8")
    found = list(documents(str(path)))
    assert max(len(document.text) for document in found) <= corpus.SECTION
    assert {document.line for document in found} == {1}
    assert {bool(held) for held in rows(tiny, str(path), 5000).held_out} == {False, True}


def test_the_place_is_right_for_rows_later_in_a_file(tiny: Subject, tmp_path: Path) -> None:
    for number in range(12):
        lines = [f"{number}.{line} apple river\n" * (1 + line % 3) for line in range(60)]
        (tmp_path / f"{number}.txt").write_text("".join(lines))
    found = rows(tiny, str(tmp_path), 100_000)
    later = 0
    for row, source in zip(shown(tiny, found), found.sources, strict=True):
        name, _, line = source.rpartition(":")
        rest = "".join(Path(name).read_text().splitlines(keepends=True)[int(line) - 1 :])
        assert row in rest
        assert rest.index(row) <= rest.index("\n") + 1
        later += int(line) > 1
    assert later >= 12 * 3


def test_no_document_gives_more_than_its_share(tiny: Subject, folder: Path) -> None:
    (folder / "huge.txt").write_text("".join(text(number) for number in range(100, 300)))
    found = rows(tiny, str(folder), 10**6)
    assert sum("huge.txt" in source for source in found.sources) == corpus.ROWS_A_DOCUMENT


def test_equal_documents_stand_in_one_half_and_are_read_once(tiny: Subject, folder: Path) -> None:
    before = rows(tiny, str(folder), 10**6)
    (folder / "copies").mkdir()
    for number in range(16):
        (folder / "copies" / f"{number}.txt").write_text(text(number))
    after = rows(tiny, str(folder), 10**6)
    assert sorted(shown(tiny, after)) == sorted(shown(tiny, before))


def test_the_halves_share_no_row_even_when_documents_begin_alike(tiny: Subject, tmp_path: Path) -> None:
    header = "".join(text(number) for number in range(500, 503))
    for number in range(24):
        (tmp_path / f"{number}.txt").write_text(header + text(number))
    found = rows(tiny, str(tmp_path), 10**6)
    halves = {
        held: {row for row, h in zip(shown(tiny, found), found.held_out, strict=True) if h == held} for held in (0, 1)
    }
    assert halves[0]
    assert halves[1]
    assert not halves[0] & halves[1]
    assert len(halves[0]) + len(halves[1]) == len(found.lengths)


def test_the_same_corpus_gives_the_same_rows_wherever_its_files_stand(tiny: Subject, folder: Path) -> None:
    first = rows(tiny, str(folder), 900)
    again = rows(tiny, str(folder), 900)
    moved = folder.rename(folder.with_name("moved"))
    third = rows(tiny, str(moved), 900)
    for other in (again, third):
        assert (other.tokens == first.tokens).all()
        assert (other.held_out == first.held_out).all()
    assert again.sources == first.sources
    assert 800 <= first.lengths.sum() <= 1400
    assert abs(first.lengths[first.held_out].sum() - first.lengths[~first.held_out].sum()) < 300


def test_a_data_folder_within_a_corpus_is_no_part_of_it(tiny: Subject, folder: Path) -> None:
    home = folder / "runs"
    before = fingerprint(str(folder), without=home), rows(tiny, str(folder), 10_000, without=home).sources
    (home / "reports").mkdir(parents=True)
    (home / "reports" / "one.html").write_text(text(77))
    (folder / "neuronaut.log").write_text("not read, so not counted")
    assert fingerprint(str(folder), without=home) == before[0]
    assert rows(tiny, str(folder), 10_000, without=home).sources == before[1]
    assert fingerprint(str(folder)) != before[0]


def test_files_of_many_texts_in_a_folder_are_read_too(tiny: Subject, tmp_path: Path) -> None:
    jsonl(tmp_path / "part-0.jsonl", [text(n) for n in range(20)])
    parquet.write_table(pa.table({"text": [text(n) for n in range(20, 40)]}), tmp_path / "part-1.parquet")
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "README.md").write_text("A dataset.")
    found = rows(tiny, str(tmp_path), 100_000)
    assert {Path(source.partition("#")[0]).name for source in found.sources} == {"part-0.jsonl", "part-1.parquet"}
    assert len({source.partition(":")[0] for source in found.sources}) == 40


def test_a_folder_of_files_that_are_not_read_says_what_is(tiny: Subject, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.log").write_text(text(number))
    with pytest.raises(CorpusError, match="0 files of that folder are of a kind that is read: texts below 5 MB"):
        rows(tiny, str(tmp_path), 1000)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n', encoding="utf-8-sig")
    (tmp_path / "a.txt").write_text("fine", encoding="utf-8-sig")
    assert [next(documents(str(tmp_path / name))).text for name in ("a.jsonl", "a.txt")] == ["fine", "fine"]


def test_the_fingerprint_follows_the_files(folder: Path) -> None:
    before = fingerprint(str(folder))
    assert fingerprint(str(folder)) == before
    (folder / "a" / "1.txt").write_text("changed")
    changed = fingerprint(str(folder))
    (folder / "a" / "1.txt").unlink()
    assert len({before, changed, fingerprint(str(folder)), fingerprint("stdlib"), fingerprint("hf:x")}) == 5


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("binary.txt", b"\0\1\2", "is not text"),
        ("latin.txt", b"caf\xe9", "is not text"),
        ("latin.jsonl", b'{"text": "caf\xe9"}', "is not text"),
        ("empty.txt", b"", "too small"),
        ("empty.jsonl", b"", "too small"),
        ("one.txt", b"a single line", "too small"),
        ("broken.jsonl", b'{"text": "fine"}\n{"text": ', "line 2 is not JSON"),
        ("long.jsonl", b'{"text": ' + b"1" * 5000 + b"}", "line 1 is not JSON"),
        ("deep.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("empty.parquet", b"", "not a parquet file"),
        ("broken.parquet", b"PAR1 and then nothing", "not a parquet file"),
        ("missing.txt", None, "does not exist"),
    ],
)
def test_nothing_to_read_is_one_line(
    tiny: Subject, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=says) as refused:
        rows(tiny, str(path), 1000)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_an_empty_folder_and_a_parquet_file_without_text_are_refused(tiny: Subject, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": [1], "body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="has no column 'text', only id, body"):
        rows(tiny, str(tmp_path / "a.parquet"), 1000)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="too small"):
        rows(tiny, str(tmp_path / "empty"), 1000)


def test_a_hub_dataset_that_cannot_be_had_is_one_line_and_quick(tiny: Subject) -> None:
    from datasets import config

    assert config.HF_HUB_OFFLINE
    started = time.monotonic()
    with pytest.raises(CorpusError, match="corpus 'hf:nobody/nothing' cannot be had") as refused:
        rows(tiny, "hf:nobody/nothing", 1000)
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 10
