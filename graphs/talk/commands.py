"""What a person may say in a conversation about a neuron, and how a line of plain language is read as one of these.

`parse` is a pure function of the line. A line in a command's own form is understood exactly; a looser one that is short
is a reading, which whoever acts on it should tell ("I understood: ..."); of any other line, code that was pasted among
them, the nearest commands are named. Refuses to know what a command does.
"""

import difflib
import re
from dataclasses import dataclass

LONGEST = 20_000  # characters of a line that are read
LOOSE = 160  # characters of a line that is read loosely
SHOWN, MOST_SHOWN = 10, 100


@dataclass(frozen=True)
class Command:
    """One thing to do: its name, and the text or the number that goes with it."""

    name: str
    text: str = ""
    number: int = 0

    @property
    def line(self) -> str:
        """The command in its own form, which `parse` reads back exactly."""
        text = self.text.replace("\\", "\\\\").replace("\n", "\\n")
        return FORMS[self.name].line.format(text=text, number=self.number, first=text.partition("\n")[0]).strip()


@dataclass(frozen=True)
class Form:
    """A command's own form, what it is for, and the patterns that are read as it, exactly and loosely."""

    line: str
    usage: str
    what: str
    exact: re.Pattern[str]
    loose: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Understood:
    """How a line was read: the command, whether it stood there in its own form, and the nearest forms if none did."""

    command: Command | None = None
    exact: bool = False
    nearest: tuple[str, ...] = ()


def _form(line: str, usage: str, what: str, exact: str, loose: str | None = None) -> Form:
    flags = re.IGNORECASE | re.DOTALL
    return Form(line, usage, what, re.compile(exact, flags), re.compile(loose, flags) if loose else None)


_WORD = r"[A-Za-z0-9][\w.-]{0,159}"
_RUN = rf"(?=[\w.-]*[A-Za-z])(?=[\w.-]*\d)(?=[\w.]*-){_WORD}"
_NAMED = rf"(?:{_RUN}|L?\d{{1,4}}[.:NFRHC]\d{{1,9}}-?)"
_APOSTROPHE = r"(?<=\w)['’](?=\w)"
_PLAIN = rf"(?:[^\"'“”‘’`]|{_APOSTROPHE})*?"
# the one text in quotes that a line ends with; what is quoted twice is not one text
_QUOTED = (
    r"(?<!\w)(?:\"(?=[^\"]+\"\W*$)|“(?=[^“”]+”\W*$)|`(?=[^`]+`\W*$)"
    rf"|['‘](?=(?:[^'’]|{_APOSTROPHE})+['’]\W*$))(?P<text>.+)[\"'”’`]"
)
_UNIT_NAMED = r"(?:it|this|that|L\d+[NFRHC]\d+-?|(?:the|this|that) (?:neuron|unit|feature))"
_COUNTED = r"(?=(?:.*?(?<![\w.])(?P<number>\d{1,6})(?!\w|\.\d))?)"
_NOT = r"(?!.*(?:n[’']t|\b(?:dont|not|never)\b))"
_BEFORE = r"(?:(?!n[’']t\b|\b(?:dont|not|never)\b).)*?"
_UNIT_SAID = r"(?:it|(?:this|that)(?! \w)|(?:(?:the|this|that|its) )?(?:neuron|unit|feature|activation|firing))\b"
_KILLED = r"(?:killed|stopped|silenced|broken)"
_ASKED_POLITELY = r"(?:(?:please|ok|okay|yes|now|and|then|so|well|let[’']?s|can you|could you|do|take),? )*"

FORMS: dict[str, Form] = {
    "test": _form(
        "test this: {text}",
        "test this: TEXT",
        "measure a text now (\\n is a line break)",
        r"(?:(?:test|measure)(?: this)?|try this):(?P<text>.*)",
        rf"(?!.*\bwhy\b){_BEFORE}(?<![.\w])(?:test|measure|try|run|what (?:about|of)|does it (?:fire|like)|how about)\b"
        rf"(?! ?[(.=\[]){_PLAIN}{_QUOTED}\W*",
    ),
    "why": _form(
        "why?",
        "why?",
        "why the last text tested fired, or did not",
        r"why\W*",
        r".*\bwhy\b.*",
    ),
    "explanation": _form(
        "explain",
        "explain",
        "the explanation, clause by clause",
        r"(?:explain|explanation|why the explanation)\W*",
        r".*\b(?:explain|explanation|describe|rule|verdict"
        rf"|what (?:does|do) {_UNIT_NAMED} (?:do|mean|detect|like|fire on|respond to)|what {_UNIT_NAMED} does"
        rf"|what (?:is|are) {_UNIT_NAMED}(?: for| about)?)\b.*",
    ),
    "prune": _form(
        "prune the best",
        "prune the best",
        "cut the strongest text to what it needs",
        r"prune(?: (?:the )?(?:best|strongest))?\W*",
        rf"{_NOT}.*\b(?:prune|shorten|trim|minimal|shortest)\b.*",
    ),
    "kills": _form(
        "what kills it",
        "what kills it",
        "single changes that stop it, measured",
        r"(?:what )?kills(?: it)?\W*",
        rf"{_NOT}(?:.*\b(?:what|which|how|anything|something)\b.*\b(?:kill|stop|silence|break)s? {_UNIT_SAID}.*"
        rf"|(?:.*\b)?(?:kill|silence) {_UNIT_SAID}.*|.*\bmakes? {_UNIT_SAID} (?:stop|silent)\b.*"
        rf"|.*\b{_UNIT_SAID} (?:be |is |gets? )?{_KILLED}\b.*)",
    ),
    "top": _form(
        "show top {number}",
        "show top 10",
        "the strongest texts",
        r"(?:show )?top(?: (?P<number>\d{1,6}))?\W*",
        rf"{_COUNTED}.*\b(?:top|strongest|highest|best)\b.*",
    ),
    "bottom": _form(
        "show bottom {number}",
        "show bottom 5",
        "the weakest texts",
        r"(?:show )?bottom(?: (?P<number>\d{1,6}))?\W*",
        rf"{_COUNTED}.*\b(?:bottom|weakest|lowest)\b.*",
    ),
    "hypotheses": _form(
        "show hypotheses",
        "show hypotheses",
        "the claims so far and their fate",
        r"(?:show )?(?:hypotheses|claims)\W*",
        r".*\b(?:hypotheses|claims)\b.*",
    ),
    "scores": _form(
        "scores",
        "scores",
        "how well the explanation predicts",
        r"(?:show )?scores?\W*",
        r".*\b(?:scores?|how good|how well)\b.*",
    ),
    "compare": _form(
        "compare with {text}",
        "compare with 9.653",
        "another neuron or run, side by side",
        rf"compare(?: it)?(?: with| to|(?= {_NAMED}\W*$)) (?P<text>{_WORD})\W*",
        rf"{_BEFORE}\b(?:compare|versus|vs|against|difference)\b(?:.*\b(?:with|to|and|from|versus|vs|against) +|.*?\b)"
        rf"(?P<text>{_NAMED})(?!\w).*",
    ),
    "next": _form(
        "next",
        "next",
        "go on with the inquiry, one decision",
        r"(?:next|go on|continue|proceed)\W*",
        rf"{_ASKED_POLITELY}(?:(?:go on|continue|carry on|proceed)(?: with (?:it|this|the (?:inquiry|run)))?"
        r"|(?:the )?next(?: step| one)?)(?:,? (?:please|now|then))?\W*",
    ),
    "similar": _form(
        "what else fires like this?",
        "what else fires like this?",
        "other neurons by what they mean",
        r"(?:what else fires like (?:this|it)|similar)\W*",
        r".*\b(?:similar|what else|others? like|alike)\b.*",
    ),
    "hypothesis": _form(
        "hypothesis: {text}",
        "hypothesis: CLAIM | fires: TEXT; TEXT | silent: TEXT",
        "a claim of yours, tested at the next step",
        r"(?:hypothesis|claim):(?P<text>.*)",
    ),
    "edit": _form(
        "edit {text}",
        "edit h-3: CLAIM | fires: TEXT | silent: TEXT",
        "a claim put in your words, as one of its own",
        r"edit (?P<text>[\w.-]{1,80}\s*:.*)",
    ),
    "note": _form("note: {text}", "note: TEXT", "kept with the run, for its agents too", r"note:(?P<text>.*)"),
    "help": _form("help", "help", "this list", r"(?:help|\?|commands)\W*", r".*\bhelp\b.*"),
    "quit": _form("quit", "quit", "leave; everything is kept", r"(?:quit|exit|bye|leave|stop|q)\W*", None),
}
TEXTUAL = frozenset({"test", "compare", "hypothesis", "edit", "note"})  # nothing without a text


def parse(line: str) -> Understood:
    """Read a line. A command that wants a text and has none is not understood, and only a short line loosely."""
    spoken = line[:LONGEST].strip()
    short = len(spoken) <= LOOSE and len(spoken.splitlines()) == 1
    for exact in (True, False) if short else (True,):
        for name, form in FORMS.items():
            pattern = form.exact if exact else form.loose
            found = pattern.fullmatch(spoken) if pattern is not None and spoken else None
            if found and (command := made(name, **found.groupdict())) is not None:
                return Understood(command, exact)
    return Understood(nearest=_nearest(spoken))


def made(name: str, *, text: str | None = None, number: str | int | None = None) -> Command | None:
    """The command of this name, or None where it does not exist or lacks what it needs."""
    form = FORMS.get(name)
    if form is None:
        return None
    raw = (text or "")[:LONGEST] if name in TEXTUAL else ""
    said = (raw if "\n" in raw else _unescaped(raw)).strip(" ")  # a text with line breaks has no need of \n
    if name in TEXTUAL and not said.strip():
        return None
    counted = "{number}" in form.line
    amount = max(1, min(MOST_SHOWN, int(number or SHOWN))) if counted else 0
    return Command(name, said, amount)


def usage() -> list[tuple[str, str]]:
    """Every command's form with what it is for."""
    return [(form.usage, form.what) for form in FORMS.values()]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\\|n)", lambda found: "\n" if found[1] == "n" else "\\", text)


def _nearest(line: str) -> tuple[str, ...]:
    """The forms that share words, or letters, with a line; the plainest ones for one that shares nothing."""
    spoken = line.lower()
    words = set(re.findall(r"[a-z]{3,}", spoken))

    def likeness(form: Form) -> float:
        about = f"{form.usage} {form.what}".lower()
        shared = len(words & set(re.findall(r"[a-z]{3,}", about)))
        return shared + difflib.SequenceMatcher(None, spoken[:80], form.usage.lower()).ratio()

    ranked = sorted(FORMS.values(), key=likeness, reverse=True)
    near = [form.usage for form in ranked[:3] if likeness(form) > 0.45]
    return tuple(near) or ("test this: TEXT", "why?", "help")
