"""Certificates: for each clause the minimal pairs among the measured texts that bear it out, or do not.

A pair is two texts measured for it, one change apart, at the end of which the clause holds in one and not in the other
while no other clause of the rule changes its truth. It bears the clause out when the value moves the clause's way by
more than three tenths of what the clause says.

Beside it stand the pairs in which no clause changes. They were made to test claims that the rule does not hold, so the
share of them that moves as far is rather too high a base rate than too low.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from agents.weighing import MOVED, sides
from memory.records import Certificate, Clause, Record, Rule
from tools.rules import predict_text, text_of

BESIDE = 0.1  # of the clause's own change, that the other clauses may change together
SHOWN = 6  # pairs a certificate names
ENOUGH = 0.6  # of the pairs have to bear a clause out
FEWEST = 5  # pairs in which no clause changes, of which the share that moves means anything


def certified(rule: Rule, asked: Sequence[Record]) -> tuple[Certificate, ...]:
    """The certificate of every clause that has a pair, by the clause's number."""
    pairs = sides(asked)
    truths = [([_true(clause, one) for clause in rule.clauses], [_true(clause, two) for clause in rule.clauses])
              for one, two in pairs]  # fmt: skip
    idle = [
        abs(one.values[-1] - two.values[-1])
        for (one, two), (here, there) in zip(pairs, truths, strict=True)
        if here == there
    ]
    return tuple(filter(None, (_certificate(number, pairs, truths, idle) for number in range(len(rule.clauses)))))


def stands(certificate: Certificate) -> bool:
    """Whether most pairs bear a clause out, and more often than pairs move in which no clause changes."""
    share = certificate.held / certificate.of
    known = certificate.base_of is not None and certificate.base_of >= FEWEST
    return share >= ENOUGH and not (known and share <= certificate.base / (certificate.base_of or 1))


def borne_out(rule: Rule, certificates: Sequence[Certificate]) -> Rule:
    """The rule with only those clauses that minimal pairs bear out."""
    good = {each.clause for each in certificates if stands(each)}
    return replace(rule, clauses=tuple(clause for number, clause in enumerate(rule.clauses) if number in good))


def _certificate(
    number: int,
    pairs: Sequence[tuple[Record, Record]],
    truths: Sequence[tuple[list[float], list[float]]],
    idle: Sequence[float],
) -> Certificate | None:
    """The certificate of one clause. idle: how far pairs moved in which no clause changes."""
    found = []
    for (one, two), (here, there) in zip(pairs, truths, strict=True):
        moves = here[number] - there[number]
        beside = sum(abs(a - b) for n, (a, b) in enumerate(zip(here, there, strict=True)) if n != number)
        alone = beside <= BESIDE * abs(moves)
        if alone and moves:
            higher, lower = (one, two) if moves > 0 else (two, one)
            found.append((higher.id, lower.id, higher.values[-1] - lower.values[-1], abs(moves)))
    if not found:
        return None
    found.sort(key=lambda pair: -pair[2])
    held = [pair for pair in found if pair[2] > MOVED * pair[3]]
    shown = [*held[:SHOWN], *[pair for pair in found if pair not in held][-1:]]
    change = sum(pair[2] for pair in found) / len(found)
    base = sum(by > MOVED * median(pair[3] for pair in found) for by in idle)
    cited = tuple((higher, lower) for higher, lower, _, _ in shown)
    return Certificate(number, cited, round(change, 5), len(held), len(found), base, len(idle))


def _true(clause: Clause, record: Record) -> float:
    """What the clause adds at the text's end."""
    return predict_text(Rule(0.0, (clause,)), text_of(record.tokens))[-1]
