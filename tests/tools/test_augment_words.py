"""Words replaced in their context, by the subject or a masked language model, and walks several words away."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from memory.records import Kind, Origin, Prompt, Record, Run, Step, Target
from memory.store import Store
from tests.tiny_models import WORDS, write_gpt2
from tools.augment import (
    ContextualAugmenter,
    Edit,
    Effect,
    IterativeMultiTokenAugmenter,
    MaskedModel,
    MaskedModelError,
    Side,
    load_masked,
)
from tools.augment.words import STOPWORDS, Span
from tools.loading import load
from tools.prune import prune
from tools.subject import Subject

TEXT = "The old man, far away, saw  a RED apple\n\tand the river!"
SYNONYM = 9  # a neuron that fires on " apple" and three times as strongly on " today"


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> MaskedModel:
    """A random BERT of one layer, whose likeliest tokens are pieces and specials."""
    folder = tmp_path_factory.mktemp("masked")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, "##s", "##ing", "##y", ",", ".", "!", "?", *sorted(set(WORDS))]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    model = BertForMaskedLM(config)
    with torch.no_grad():
        model.cls.predictions.bias[:8] = 9.0
        model.cls.predictions.bias[8:12] = 1.0
    model.save_pretrained(folder)
    return load_masked(str(folder))


@pytest.fixture(scope="module")
def synonyms(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A tiny model with one more planted neuron, of its own weights."""
    subject = load("synonyms", write_gpt2(tmp_path_factory.mktemp("synonyms")))
    with torch.no_grad():
        weights = subject.hf.transformer.h[0].mlp.c_fc
        weights.weight[:, SYNONYM] = 0.0
        weights.weight[:5, SYNONYM] = torch.tensor([1.0, 0.0, 0.0, 0.0, 2.0])
        weights.bias[SYNONYM] = -1.0
    return subject


class Listed:
    """A source that offers the same words everywhere."""

    name = "listed"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def words(self, text: str, spans: Sequence[Span], *, count: int) -> list[list[str]]:
        del text, count
        return [self._words for _ in spans]


def walker(subject: Subject, target: Target, words: Sequence[str]) -> IterativeMultiTokenAugmenter:
    return IterativeMultiTokenAugmenter(subject, target, ContextualAugmenter(subject, Listed(words)))


def replaced_words(a: str, b: str) -> int:
    """How many words differ between two texts of equally many."""
    return sum(x != y for x, y in zip(a.split(), b.split(), strict=True))


@pytest.mark.parametrize("source", ["subject", "masked"])
@pytest.mark.parametrize("n", [1, 4])
def test_few_and_different_candidates_for_every_word(tiny: Subject, masked: MaskedModel, source: str, n: int) -> None:
    found = ContextualAugmenter(tiny, masked if source == "masked" else None).augment(TEXT, n)
    assert {new.source for new in found} == {masked.name if source == "masked" else "subject"}
    assert len({new.start for new in found}) > 5
    for start in {new.start for new in found}:
        news = [new for new in found if new.start == start]
        folded = [new.new.strip().casefold() for new in news]
        assert 1 <= len(folded) == len(set(folded)) <= n
        assert news[0].old.casefold() not in folded
    for new in found:
        assert "##" not in new.new
        assert "[" not in new.new
        assert new.text == TEXT[: new.start] + new.new + TEXT[new.start + len(new.old) :]
        assert TEXT[new.start :].startswith(new.old)


@pytest.mark.parametrize("source", ["subject", "masked"])
def test_capitals_are_restored(tiny: Subject, masked: MaskedModel, source: str) -> None:
    found = ContextualAugmenter(tiny, masked if source == "masked" else None).augment(TEXT, 4)
    the = [new.new for new in found if new.start == 0]
    red = [new.new for new in found if new.old == "RED"]
    assert all(word == word.capitalize() for word in the)
    assert all(word.isupper() for word in red)
    assert the
    assert red
    assert all(new.new == new.new.lower() for new in found if new.old.islower())


def test_words_are_replaced_by_words_and_marks_by_marks(tiny: Subject, masked: MaskedModel) -> None:
    found = ContextualAugmenter(tiny, masked).augment("the cat, sat.", 3)
    assert {new.old for new in found} >= {"cat", ","}
    assert all(new.new.isalpha() == new.old.isalpha() for new in found)


def test_stop_words_can_be_skipped(tiny: Subject) -> None:
    every = {new.old for new in ContextualAugmenter(tiny).augment(TEXT, 1)}
    some = {new.old for new in ContextualAugmenter(tiny, skip_stopwords=True).augment(TEXT, 1)}
    assert {"The", "a", "and"} & every
    assert some == {old for old in every if old.casefold() not in STOPWORDS}


def test_characters_of_several_tokens_do_not_shift_the_words(tiny: Subject) -> None:
    found = ContextualAugmenter(tiny).augment("日本 é the river", 3)
    assert {new.old for new in found} >= {"the", "river"}
    assert all(new.text.startswith("日本 é ") for new in found if new.old in ("the", "river"))


def test_a_text_beyond_the_context_is_replaced_where_it_is_read(tiny: Subject, masked: MaskedModel) -> None:
    text = " the cat sat on the mat" * 30
    assert ContextualAugmenter(tiny).augment(text, 1)
    assert ContextualAugmenter(tiny, masked).augment(text, 1)


def test_nothing_to_replace_gives_nothing(tiny: Subject, masked: MaskedModel) -> None:
    assert ContextualAugmenter(tiny).augment("", 3) == []
    assert ContextualAugmenter(tiny, masked).augment(" \n", 3) == []


def test_a_masked_model_that_is_not_there_is_one_line_and_pruning_works(
    tiny: Subject, pair: Target, tmp_path: Path
) -> None:
    with pytest.raises(MaskedModelError) as caught:
        load_masked(str(tmp_path / "none"))
    assert "\n" not in str(caught.value)
    assert "the subject then proposes words itself" in str(caught.value)
    write_gpt2(tmp_path / "causal")
    with pytest.raises(MaskedModelError):
        load_masked(str(tmp_path / "causal"))
    assert prune(tiny, pair, " the apple on the river").text == " apple river"


def test_every_edit_is_its_text_measured_again(tiny: Subject, pair: Target, masked: MaskedModel) -> None:
    text = " red apple on the river under"
    start = tiny.measure([text], pair)[0].peak
    assert start is not None
    walk = IterativeMultiTokenAugmenter(tiny, pair, ContextualAugmenter(tiny, masked), n=4).walk(text, 3)
    texts = {0: text} | {edit.id: edit.text for edit in walk.edits}
    steps = {0: 0} | {edit.id: edit.step for edit in walk.edits}
    assert len(set(texts.values())) == len(texts)
    for edit in walk.edits:
        peak = tiny.measure([edit.text], pair)[0].peak
        assert edit.activation == pytest.approx(peak, abs=1e-4)
        assert edit.change == pytest.approx(((peak or 0.0) - start) / start, abs=1e-4)
        assert edit.step == steps[edit.parent] + 1
        assert replaced_words(texts[edit.parent], edit.text) == 1
        assert replaced_words(text, edit.text) == len(edit.edited) == edit.step
    assert max(edit.step for edit in walk.edits) == 3


def test_both_lists_are_sorted_and_hold_what_belongs_there(tiny: Subject, pair: Target) -> None:
    positive, negative = IterativeMultiTokenAugmenter(tiny, pair).iterative_augment(" red apple on the river", steps=2)

    def values(edits: list[Edit]) -> list[float]:
        return [edit.activation if edit.activation is not None else 0.0 for edit in edits]

    assert positive
    assert negative
    assert {edit.side for edit in positive} == {Side.POSITIVE}
    assert {edit.side for edit in negative} == {Side.NEGATIVE}
    assert all(edit.change is not None and edit.change >= -0.5 for edit in positive)
    assert all(edit.change is not None and edit.change <= -0.8 for edit in negative)
    assert values(positive) == sorted(values(positive), reverse=True)
    assert values(negative) == sorted(values(negative))
    assert {edit.old for edit in negative if edit.step == 1} == {"apple", "river"}


@pytest.mark.parametrize(("direction", "sign"), [("maximise", 1), ("minimise", -1)])
def test_the_best_never_gets_worse(tiny: Subject, direction: str, sign: int) -> None:
    changed = 0
    for neuron in range(20, 26):
        target = tiny.neuron(1, neuron)
        up = direction == "maximise"
        walk = IterativeMultiTokenAugmenter(tiny, target, n=3).walk(
            " old man saw the cat", 3, "maximise" if up else "minimise"
        )
        signed = [sign * value for value in walk.best]
        assert signed == sorted(signed)
        assert walk.status is Effect.BELOW_FLOOR or len(signed) > 1
        reached = [sign * edit.activation for edit in walk.edits if edit.activation is not None]
        assert not reached or signed[-1] == max(signed[0], *reached)
        changed += len(signed) > 1
    assert changed


def test_a_stronger_synonym_is_reached(synonyms: Subject) -> None:
    target = synonyms.neuron(0, SYNONYM)
    text = " the red apple"
    positive, _ = walker(synonyms, target, ["cat", "river", "today", "sky"]).iterative_augment(text, steps=3)
    assert " today" in positive[0].text
    assert (positive[0].change or 0.0) > 0.3
    start, strongest = synonyms.measure([text, positive[0].text], target)
    assert (strongest.peak or 0.0) > (start.peak or 0.0)


def test_several_words_change_when_several_count(tiny: Subject, pair: Target) -> None:
    text = " the cat apple sat river"
    positive, _ = walker(tiny, pair, ["apple"]).iterative_augment(text, steps=3)
    assert {edit.step for edit in positive} == {1, 2, 3}
    assert all(edit.text.count("apple") == 1 + edit.step for edit in positive)


def test_going_down_kills_the_text(tiny: Subject, pair: Target) -> None:
    _, negative = walker(tiny, pair, ["cat", "sky"]).iterative_augment(
        " apple apple apple river", steps=3, direction="minimise"
    )
    assert negative
    assert (negative[0].activation or 0.0) < 0.1


def test_words_right_of_the_peak_are_left_alone_unless_wanted(tiny: Subject, pair: Target) -> None:
    text = " red apple river under the sky"
    one = IterativeMultiTokenAugmenter(tiny, pair, n=3).walk(text, 1)
    assert {edit.old for edit in one.edits} == {"red", "apple", "river"}
    every = IterativeMultiTokenAugmenter(tiny, pair, n=3, after_peak=True).walk(text, 1)
    later = [edit for edit in every.edits if edit.old in ("under", "sky") and edit.new not in ("river", "apple")]
    assert later
    assert all(edit.change is not None and abs(edit.change) < 1e-4 for edit in later)


def test_a_silent_text_is_not_walked_from(tiny: Subject, pair: Target) -> None:
    augmenter = IterativeMultiTokenAugmenter(tiny, pair)
    assert augmenter.walk(" the cat sat").status is Effect.BELOW_FLOOR
    assert augmenter.walk("").status is Effect.FAILED
    assert augmenter.iterative_augment(" the cat sat") == ([], [])


def test_a_step_measures_no_more_than_it_may(tiny: Subject, pair: Target) -> None:
    walk = IterativeMultiTokenAugmenter(tiny, pair, n=8, most=7).walk(" red apple on the river", 2)
    assert len([edit for edit in walk.edits if edit.step == 1]) == 7
    assert len({edit.old for edit in walk.edits if edit.step == 1}) == 5


def test_nonsense_is_refused(tiny: Subject, pair: Target) -> None:
    with pytest.raises(ValueError, match="must not be below"):
        IterativeMultiTokenAugmenter(tiny, pair, inclusion=-0.9, exclusion=-0.8)
    with pytest.raises(ValueError, match="at least 1"):
        IterativeMultiTokenAugmenter(tiny, pair, beam=0)
    with pytest.raises(ValueError, match="steps"):
        IterativeMultiTokenAugmenter(tiny, pair).walk(" apple river", 0)


def test_a_residual_coordinate_is_walked_from_too(tiny: Subject) -> None:
    target = tiny.at("blocks.1.hook_out", 3)
    assert target.kind is Kind.COORDINATE
    walk = IterativeMultiTokenAugmenter(tiny, target, n=2).walk(" red apple on the river", 1)
    assert walk.edits


def test_every_text_of_a_walk_becomes_a_record(tiny: Subject, pair: Target, tmp_path: Path) -> None:
    walk = IterativeMultiTokenAugmenter(tiny, pair, n=2).walk(" red apple on the river", 2)
    r = walk.start
    base = Record(1, 1, Prompt(walk.text, Origin.USER), r.tokens, r.token_ids, r.values, r.peak, r.position)
    with Store.open(tmp_path / "store.duckdb") as store:
        store.begin(Run("walk", pair, 0, {}))
        store.commit(Step("walk", 1, "swap", {}, records=(base, *walk.records(2, step=1, parent=1))))
        records = {record.id: record for record in store.records("walk")}
    assert len(records) == len(walk.edits) + 1
    for edit in walk.edits:
        record = records[edit.id + 1]
        assert (record.prompt.text, record.prompt.origin) == (edit.text, Origin.SWAP)
        assert records[record.prompt.parent or 0].prompt.text == (
            walk.text if edit.parent == 0 else walk.edits[edit.parent - 1].text
        )
