"""Whole texts rewritten by a language model and measured: what still fires in other words, and what no longer does.

After the augmentation of Neuron to Graph (Foote et al. 2023, arXiv:2305.19911), with the rewriting job's question.

1. Measure the original. Every change is relative to its activation above the floor.
2. Ask for n rewrites with the question of agents/rewriter.py, under an instruction of the caller's where there is one.
3. Drop what is empty, the original again, the same twice, or begins with the instruction.
4. Measure the rest in one call, from their texts, and sort them by what became of the activation.

Refuses to hide a failed call or an original that does not fire: both have a name in a `Rewriting`.
"""

from dataclasses import dataclass

from agents import rewriter
from agents.chat_model import ChatModel, ChatModelError
from memory.records import LlmCall, Origin, Prompt, Record, Target
from tools.augment import Effect, Side, effect, relative_change, side
from tools.augment.changes import EXCLUSION, INCLUSION
from tools.subject import Reading, Subject

AGENT = "rewriter"
ANSWERED = ("ok", "repaired")


@dataclass(frozen=True)
class Rewritten:
    """A rewrite, measured. `change`, `side` and `activation` are None where it could not be."""

    text: str
    activation: float | None
    change: float | None
    effect: Effect
    side: Side | None
    reading: Reading

    def record(self, id: int, *, step: int, parent: int) -> Record:
        """The activation record of it; `parent` is the record of the original."""
        r = self.reading
        prompt = Prompt(self.text, Origin.REWRITE, parent=parent)
        return Record(id, step, prompt, r.tokens, r.token_ids, r.values, r.peak, r.position, r.status)


@dataclass(frozen=True)
class Rewriting:
    """What came of one question: the exchange, and every usable rewrite in the model's order.

    `status` is None when all is well; else the original did not fire (below-floor) or could not be measured (failed),
    and nobody was asked.
    """

    status: Effect | None
    call: LlmCall | None = None
    texts: tuple[Rewritten, ...] = ()

    @property
    def positive(self) -> list[Rewritten]:
        """What still fires, highest first."""
        return sorted((t for t in self.texts if t.side is Side.POSITIVE), key=lambda t: -(t.activation or 0.0))

    @property
    def negative(self) -> list[Rewritten]:
        """What no longer fires, lowest first."""
        return sorted((t for t in self.texts if t.side is Side.NEGATIVE), key=lambda t: t.activation or 0.0)


def generative_augment(
    subject: Subject,
    target: Target,
    chat: ChatModel,
    original_prompt: str,
    n: int = 4,
    *,
    instruction: str = "",
    seed: int = 0,
    floor: float = 0.0,
    inclusion: float = INCLUSION,
    exclusion: float = EXCLUSION,
) -> tuple[list[Rewritten], list[Rewritten]]:
    """Up to `n` rewrites that still fire, highest first, and those that no longer do. Both empty for a silent original.

    Raises ChatModelError when the exchange failed, ValueError when inclusion < exclusion.
    """
    found = rewrite_and_measure(
        subject, target, chat, original_prompt, n,
        instruction=instruction, seed=seed, floor=floor, inclusion=inclusion, exclusion=exclusion,
    )  # fmt: skip
    if found.call is not None and found.call.status not in ANSWERED:
        raise ChatModelError(f"{chat.name} gave no rewrites: {found.call.status}")
    return found.positive, found.negative


def rewrite_and_measure(
    subject: Subject,
    target: Target,
    chat: ChatModel,
    original_prompt: str,
    n: int = 4,
    *,
    instruction: str = "",
    seed: int = 0,
    floor: float = 0.0,
    inclusion: float = INCLUSION,
    exclusion: float = EXCLUSION,
) -> Rewriting:
    """The same with the exchange and every rewrite measured; a failed exchange is in its status."""
    side(0.0, inclusion=inclusion, exclusion=exclusion)
    start = subject.measure([original_prompt], target)[0].peak
    if start is None:
        return Rewriting(Effect.FAILED)
    if not start > floor:
        return Rewriting(Effect.BELOW_FLOOR)
    question = rewriter.instruct(original_prompt, n)
    asked = f"{instruction.strip()}\n\n{question}" if instruction.strip() else question
    answer, call = chat.ask(asked, rewriter.Rewrites, agent=AGENT, seed=seed)
    texts = rewriter.read(answer, text=original_prompt, wanted=len(answer.texts)) if answer is not None else []
    texts = [text for text in texts if not _echoes(text, instruction)][:n]
    rewrites = []
    for text, reading in zip(texts, subject.measure(texts, target), strict=True):
        change = None if reading.peak is None else relative_change(reading.peak, start, floor=floor)
        where = None if change is None else side(change, inclusion=inclusion, exclusion=exclusion)
        what = Effect.FAILED if change is None else effect(change)
        rewrites.append(Rewritten(text, reading.peak, change, what, where, reading))
    return Rewriting(None, call, tuple(rewrites))


def _echoes(text: str, instruction: str) -> bool:
    """Whether a text begins as the instruction does, or is its beginning."""
    said, told = _folded(text), _folded(instruction)
    return bool(told) and (said.startswith(told) or told.startswith(said))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
