"""The report page and its JSON: complete, honest about what is missing, and harmless whatever the texts contain."""

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from graphs.findings import _changes
from graphs.report import bars, charts, heat, wording
from graphs.report.findings import Change, Counts, CurvePoint, Findings, Histogram, as_json
from graphs.report.page import render, shown_evidence, write
from graphs.report.visible import number, percent, visible
from memory.records import Explanation, Origin, Prompt, Record, Rule, Score, Verdict
from tests.graphs.sample_findings import dead, hostile, record, sample, with_calls

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Reads a page and refuses tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module", params=[sample, dead, hostile, with_calls])
def page(request: pytest.FixtureRequest) -> str:
    return render(request.param())


def text_of(page: str) -> str:
    return " ".join(Reader(page).words.split())


def test_every_page_is_well_formed(page: str) -> None:
    tags = [tag for tag, _ in Reader(page).tags]
    assert tags.count("main") == tags.count("h1") == tags.count("header") == tags.count("footer") == 1


def test_a_page_asks_nothing_of_the_network_and_runs_nothing(page: str) -> None:
    reader = Reader(page)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in reader.tags}
    assert all(link.startswith("#") for link in reader.all("href"))
    assert not reader.all("src")
    assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on") or name == "style"]
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|https?:", style)


def test_the_content_policy_names_the_style_sheet_by_its_hash(page: str) -> None:
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(value for value in Reader(page).all("content") if "default-src" in value)
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_every_link_leads_somewhere_and_no_id_is_used_twice(page: str) -> None:
    reader = Reader(page)
    ids = reader.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in reader.all("href")} <= set(ids)


def test_nothing_invisible_and_no_markup_of_a_text_comes_out_raw() -> None:
    page = render(hostile())
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", page
    )
    assert "<script" not in page
    assert "\\u202egnp.exe" in page
    assert "\\x1b[31m" in page
    assert "\\udc80" in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_quote_in_a_text_cannot_break_out_of_an_attribute() -> None:
    assert not any("onmouseover" in attrs for _, attrs in Reader(render(hostile())).tags)


def test_the_first_screen_answers_the_first_questions() -> None:
    found = sample()
    words = text_of(render(found).partition("</header>")[0] + "</header></body></html>")
    assert "L2N117 n-gram" in words
    assert "Fires on self as the first parameter" in words
    assert "‘(’ → ‘self’ +5.31" in words
    assert "0.81 simulation correlation" in words
    assert "floor 0.44 (token lookup), ceiling 0.93, 76% of the way" in words
    assert "8.41 104% of the corpus maximum, 8.06" in words


def test_generated_equals_accepted_plus_rejected_is_shown() -> None:
    assert "412 generated = 330 accepted + 82 rejected" in text_of(render(sample()))


def test_books_that_do_not_balance_are_said_not_to() -> None:
    words = text_of(render(replace(sample(), counts=Counts(10, {"seed": 3}, {"empty": 1}))))
    assert "10 generated ≠ 3 accepted + 1 rejected" in words
    assert "The books do not balance" in words


def test_a_dead_neuron_has_a_page_without_a_claim() -> None:
    words = text_of(render(dead()))
    for told in ("No explanation was reached", "No prompt made it fire", "unscored", "holds no activation"):
        assert told in words
    assert "No language model was called" in words
    assert "nan" not in words.lower()


def test_language_model_calls_show_prompt_answer_and_failure() -> None:
    words = text_of(render(with_calls()))
    assert "Propose three hypotheses" in words
    assert "timeout" in words
    assert "1 of 3 language model calls failed" in words


def test_a_cut_evidence_table_keeps_what_claims_cite_and_says_so() -> None:
    many = tuple(record(5000 + place, f"x{place} self") for place in range(700))
    found = replace(sample(), evidence=(*sample().evidence, *many))
    shown = {row.id for row in shown_evidence(found)}
    known = {row.id for row in found.evidence}
    assert len(shown) == 400
    assert found.cited & known <= shown
    assert "400 of 747 records" in text_of(render(found))


def test_a_record_that_is_not_on_the_page_is_named_but_not_linked() -> None:
    page = render(hostile())
    assert "#record-900001" not in page
    assert ">900001<" in page


def test_writing_replaces_the_file_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    path = write(sample(), tmp_path / "new" / "report.html")
    before = path.read_bytes()
    monkeypatch.setattr("graphs.report.page.render", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(dead(), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("found", [sample(), dead(), hostile()])
def test_the_json_has_its_keys_and_only_finite_numbers(found: Findings) -> None:
    data = json.loads(json.dumps(as_json(found), allow_nan=False))
    wanted = "run_id model target verdict explanation scores triggers best top bottom counts timings"
    assert set(wanted.split()) <= set(data)
    assert {"text", "rule"} <= set(data["explanation"])
    assert {"text", "activation", "corpus_max", "share"} <= set(data["best"])
    assert data["counts"]["generated"] == data["counts"]["accepted_total"] + data["counts"]["rejected_total"]


def test_the_json_says_null_where_there_is_no_number() -> None:
    found = replace(sample(), corpus_max=math.nan, timings={"total": math.inf})
    data = as_json(found)
    assert data["best"]["corpus_max"] is None
    assert data["best"]["share"] is None
    assert data["timings"]["total"] is None
    assert as_json(dead())["explanation"] == {"text": None, "rule": None, "evidence": []}
    assert as_json(dead())["best"]["activation"] is None


def test_the_json_lists_top_and_bottom_in_rank_order() -> None:
    data = as_json(sample())
    top, bottom = ([row["activation"] for row in data[name]] for name in ("top", "bottom"))
    assert top == sorted(top, reverse=True)
    assert bottom == sorted(bottom)
    assert data["top"][0]["text"] == data["best"]["text"]


def test_numbers_that_do_not_exist_draw_nothing_rather_than_zero() -> None:
    assert charts.histogram(Histogram(), firing=0.1, best=None, corpus_max=1.0) == ""
    assert charts.histogram(Histogram((0.0, 1.0), (0,)), firing=0.1, best=None, corpus_max=1.0) == ""
    assert charts.curve((), corpus_max=1.0) == ""
    assert charts.curve((CurvePoint(1, math.nan, "seed"),), corpus_max=1.0) == ""
    assert bars.score_chart(Score.unscored("r", "held-out", "why")) == ""
    assert bars.share_bar(None) == bars.share_bar(math.nan) == ""
    assert bars.dumbbell(1.0, None, highest=2.0) == ""
    assert bars.stack([], title="x") == ""
    assert number(None) == number(math.nan) == percent(math.inf) == "–"


def test_every_drawing_says_in_words_what_it_shows() -> None:
    found = sample()
    drawn = [
        charts.histogram(found.histogram, firing=3.6, best=8.41, corpus_max=8.06),
        charts.curve(found.curve, corpus_max=8.06),
        *(bars.score_chart(score) for score in found.scores[:4]),
    ]
    for svg in drawn:
        tags = [tag for tag, _ in Reader(svg).tags]
        assert tags[:3] == ["svg", "title", "desc"]
        assert "nan" not in svg


@pytest.mark.parametrize("score", [Score("r", "s", -0.4, 9, -0.6, -0.1, 0.1), Score("z", "s", 3.0, 9, ceiling=4.0)])
def test_a_score_outside_zero_to_one_widens_its_axis(score: Score) -> None:
    places = [float(place) for place in re.findall(r'x[12]?="(-?[\d.]+)"', bars.score_chart(score))]
    assert min(places) >= 0
    assert max(places) <= 400


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.2, 8.5), (0, 412), (0, 1e-4), (5, 5)])
def test_ticks_are_round_and_within_the_axis(low: float, high: float) -> None:
    found = charts.ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_every_origin_has_its_own_colour() -> None:
    marks = {origin: charts.shape(0, 0, origin.value) for origin in Origin}
    assert all(f"o-{origin.value}" in mark for origin, mark in marks.items())
    assert "o-other" in charts.shape(0, 0, '"><script>')


def test_heat_gives_equal_colours_to_equal_values_and_none_to_zero() -> None:
    scale = heat.scale_of([(0.0, 8.0), (-0.1, 4.0)])
    assert [scale.level(value) for value in (8.0, 4.0, 0.0, -0.1, -8.0, math.nan)] == ["p10", "p5", "", "", "n10", ""]


def test_copied_heat_text_is_the_measured_text() -> None:
    text = "\tdef f(self):\n    return  self\n"
    row = record(1, text)
    assert Reader(heat.record_heat(row, heat.scale_of([row.values]))).words == text


def test_a_minimal_pair_shows_whole_words() -> None:
    marked = heat.changed("def name(self):", "def name(cells):")
    assert "<del>self</del><ins>cells</ins>" in marked


def test_of_many_changes_the_most_telling_are_shown_and_the_rest_is_counted() -> None:
    kills = [Change("kills", "a self", "a x", "self", "x", 8.0, after / 10, (11,)) for after in range(30)]
    keeps = [Change("keeps", "a self", "b self", "a", "b", 8.0, 8.0 - by, (11,)) for by in (1.0, 0.0)]
    found = replace(sample(), changes=(*reversed(kills), *keeps))
    assert [row.activation_after for row in wording.telling_changes(found.changes, "kills")[:2]] == [0.0, 0.1]
    assert [row.activation_after for row in wording.telling_changes(found.changes, "keeps")] == [8.0, 7.0]
    assert "the 10 most telling of 30" in text_of(render(found))


def test_a_score_at_its_floor_is_called_so() -> None:
    score = Score("simulation", "held-out", 0.5, 10, 0.3, 0.6, 0.4, "token lookup", 1.0)
    assert "not distinguishable from its floor" in wording.score_sentence(score)
    assert any("cannot be told from its floor" in line for line in wording.cautions(replace(sample(), scores=(score,))))


def test_a_neuron_that_is_always_on_is_called_so() -> None:
    loud = tuple(replace(row, peak=5.0) for row in sample().bottom)
    assert any("Always on" in line for line in wording.cautions(replace(sample(), bottom=loud)))


def test_an_explanation_without_evidence_is_called_so() -> None:
    bare = Explanation(Verdict.CONTEXT, "Fires on something.", Rule(0.0))
    found = replace(sample(), explanation=bare)
    assert "names no record" in " ".join(wording.cautions(found))
    assert "whatever the text" in text_of(render(found))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("café 日本", "café 日本"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\udc80\U000e0041", "\\udc80\\U000e0041"),
        ("no\xa0break", "no\\xa0break"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("theme", [0, 1])
def test_text_on_its_background_has_a_contrast_of_at_least_four_and_a_half(theme: int) -> None:
    style = render(dead()).partition("<style>")[2]
    block = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[theme]
    named = dict(re.findall(r"--([\w-]+): ([^;]+);", block))
    pairs = [
        (ink, paper) for ink in ("ink", "muted", "link", "bad", "good", "hot-line") for paper in ("paper", "raised")
    ]
    for ink, paper in [*pairs, ("on", "hot"), ("on", "cold"), ("on", "paper"), ("ink", "faint"), ("muted", "faint")]:
        assert _contrast(named[ink], named[paper]) >= 4.5, f"{ink} on {paper}"


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    if colour.startswith("#"):
        parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    else:
        parts = [int(part) for part in colour.split()]
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def between(page: str, start: str, end: str) -> str:
    return page.partition(start)[2].partition(end)[0]


def test_scores_on_seen_text_stand_in_a_table_of_their_own() -> None:
    page = render(sample())
    unseen, other = (
        between(page, "no author of the explanation saw", "On other text"),
        between(page, "On other text", "</section>"),
    )
    assert "held-out files" in unseen
    assert "held-out" not in other
    for split in ("fresh prompts", "evidence text"):
        assert split in other
        assert split not in unseen
    assert all(score.split.startswith("held-out") for score in sample().held_out)
    assert sample().headline in sample().held_out


def test_a_score_that_could_only_be_had_in_part_says_so_beside_its_value() -> None:
    page = render(sample())
    assert "20 of 24 answered" in text_of(page)
    assert "n=20; 20 of 24 answered." in wording.score_sentence(sample().scores[4])


def test_a_figure_without_an_upper_end_is_not_drawn_from_zero_to_one() -> None:
    ablation = sample().scores[-1]
    assert "nats" in ablation.metric
    row = between(render(sample()), ablation.metric, "</tr>")
    assert "0.041" in row
    assert "<svg" not in row
    assert "ceiling" not in wording.score_sentence(ablation)


def test_the_output_side_is_a_sentence_under_the_claim_and_a_section() -> None:
    page = render(sample())
    told = sample().effects["told"]
    assert told in text_of(page.partition("</header>")[0] + "</header></body></html>")
    section = text_of(
        f'<section>{between(page, """<section id="output" aria-labelledby="h-output">""", "</section>")}</section>'
    )
    for words in (
        "‘,’ +6.10",
        "‘·import’ −5.00",
        "half of the other units of its layer reach 4.40",
        "set to zero",
        "0.041 nats",
        "0.002",
        "96 a side",
        "‘,’ +2.10",
    ):
        assert words in section
    assert "The output side was not looked at" in text_of(render(dead()))


def test_the_output_side_says_where_it_stands_among_other_units() -> None:
    effects = sample().effects
    among = {"units": 64, "above": 9, "median": 4.4, "high": 6.3, "named": "90th percentile"}
    rival = {"units": 5, "above": 1, "median": 0.01, "high": 0.06, "named": "highest"}
    rows = [row | {"among": rival} for row in effects["ablations"]]
    page = render(replace(sample(), effects=effects | {"towards_among": among, "ablations": rows}))
    section = between(page, """<section id="output" aria-labelledby="h-output">""", "</section>")
    words = text_of(f"<section>{section}</section>")
    assert "9 of 64 other units of its layer reach as much (median 4.40, 90th percentile 6.30)" in words
    assert "so these tokens say little about this one" in words
    assert "highest of 5: 0.06" in words
    assert "0.041" in words
    assert "<b>0.041</b>" not in section


def test_what_could_not_be_had_of_the_output_side_says_why() -> None:
    nothing = {
        "told": "Not tested.",
        "towards": [],
        "lens_reason": "it writes nothing",
        "ablations": [],
        "reason": "it never fires",
    }
    words = text_of(render(replace(sample(), effects=nothing | {"raised": []})))
    assert "No logit lens: it writes nothing." in words
    assert "Nothing was taken away: it never fires." in words


def test_a_clause_is_shown_with_its_condition() -> None:
    words = [line.words for line in wording.rule_lines(sample().explanation.rule)]  # type: ignore[union-attr]
    assert words[4] == "where not (the line begins with ‘def’ or ‘async’)"
    assert words[5] == "where the line begins with ‘class’, the token is"
    page = text_of(render(sample()))
    assert "where not (the line begins with ‘def’ or ‘async’)−0.40" in page


def test_a_clause_shows_its_minimal_pairs_with_the_difference_marked() -> None:
    page = render(sample())
    assert "held in 5 of 6 minimal pairs, +5.20 on average" in text_of(page)
    assert "<ins>(</ins>self" in page
    assert "<del>[</del>self" in page
    assert {401, 402, 403, 404} <= sample().cited
    assert "no minimal pair tests this" in text_of(page)
    bare = replace(sample().explanation, certificates=())  # type: ignore[type-var]
    assert "no minimal pair" not in text_of(render(replace(sample(), explanation=bare)))
    assert heat.sides("the cat", "the dog") == (
        'the<i class="sp"> </i><ins>cat</ins>',
        'the<i class="sp"> </i><del>dog</del>',
    )
    assert heat.sides("a b", "a ")[1].endswith("<del>∅</del>")


def test_an_examination_is_shown_with_its_marks_and_its_reasons() -> None:
    words = text_of(render(hostile()))
    assert "The judge" in words
    assert "passed" in words
    assert "refused" in words
    assert "The judge" not in text_of(render(sample()))


def test_a_compact_rule_at_its_floor_is_said_to_be() -> None:
    full = Score("simulation, full rule", "held-out text", 0.8, 100, 0.7, 0.9, 0.5, "token table", 1.0)
    compact = replace(full, metric="simulation, compact rule", value=0.5, low=0.4, high=0.6)
    found = replace(sample(), scores=(full, compact))
    assert found.compact == compact
    assert any("predicts no better than its floor" in line for line in wording.cautions(found))
    assert "the one shown" in text_of(render(found))


def test_what_was_never_tried_is_not_said_to_have_failed() -> None:
    early = replace(sample(), triggers=(), fluent=(), steps=())
    words = text_of(render(early))
    assert "No text was shortened: the run ended before" in words
    assert "The optimiser was not asked" in words


def test_a_score_is_below_its_floor_cannot_be_told_from_it_or_has_no_interval_to_say_so() -> None:
    score = Score("simulation", "held-out text", 0.2, 40, low=0.15, high=0.25, floor=0.5, floor_name="token table")
    assert "below its floor" in wording.score_sentence(score)
    assert "not distinguishable from its floor" in wording.score_sentence(replace(score, high=0.6))
    unknown = wording.score_sentence(replace(score, low=None, high=None))
    assert "below" not in unknown
    assert "distinguishable" not in unknown
    assert "no interval" in unknown
    told = wording.cautions(replace(sample(), scores=(replace(score, low=None, high=None),)))
    assert any("cannot be held against its floor" in line for line in told)
    assert "of the way" not in wording.score_sentence(replace(score, value=0.9, low=None, high=None, ceiling=1.0))
    assert any("is below its floor" in line for line in wording.cautions(replace(sample(), scores=(score,))))


def test_sentences_of_a_language_model_are_told_from_the_rule_that_is_scored() -> None:
    explanation = sample().explanation
    assert explanation is not None
    told = wording.cautions(replace(sample(), explanation=replace(explanation, author="ollama:llama3.2")))
    assert any(line.startswith("The sentences are ollama:llama3.2's.") for line in told)
    assert not any("The sentences are" in line for line in wording.cautions(sample()))


@pytest.mark.parametrize(
    ("after", "kind"), [(1.5, "kills"), (1.7, "lowers"), (7.4, "lowers"), (7.8, "keeps"), (9.0, "raises")]
)
def test_a_change_kills_only_where_at_most_a_fifth_is_left(after: float, kind: str) -> None:
    parent = Record(1, 1, Prompt("a b", Origin.SEED), ("a", " b"), (1, 2), (0.0, 8.0), 8.0, 1)
    swapped = Record(2, 1, Prompt("a c", Origin.SWAP, parent=1), ("a", " c"), (1, 3), (0.0, after), after, 1)
    assert [change.kind for change in _changes([parent, swapped], 0.0)] == [kind]
