"""Half of an answer says no more than the whole one, and what is no answer says nothing."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agents.conversation import half_said
from agents.listening import half_read

texts = st.text(max_size=60)


@given(st.sampled_from(["answer", "note", "why"]), texts, texts, st.data())
def test_half_an_object_holds_beginnings_of_what_the_whole_one_holds(
    command: str, text: str, answer: str, data: st.DataObject
) -> None:
    whole = {"command": command, "text": text, "number": 0, "answer": answer}
    written = json.dumps(whole, ensure_ascii=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(written)))
    for name, value in half_read(f"Sure! {written[:cut]}").items():
        assert value == whole[name] or str(whole[name]).startswith(value)


@given(st.text())
def test_whatever_is_said_can_be_listened_to(said: str) -> None:
    assert isinstance(half_read(said), dict)
    assert half_said(said) == "" or "answer" in said


def test_only_an_answer_in_words_is_heard_and_nothing_a_terminal_obeys() -> None:
    assert half_said('{"command": "answer", "text": "", "answer": "It fires on \\u001b[31mred') == "It fires on red"
    assert half_said('{"command": "note", "text": "mine", "answer": "It fires') == ""
    assert half_said('{"command": "ans') == ""
    assert half_said("It fires on red") == ""
