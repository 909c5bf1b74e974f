"""The methods by name. A name that ends in SEEDED starts from the best corpus window, as ours does."""

from evals.rivals import epo, gcg, nano, ours, swaps
from evals.rivals.course import Method
from evals.rivals.standings import SEEDED

METHODS: dict[str, Method] = {
    "ours": ours.climb,
    "nanogcg": nano.climb,
    "gcg-512": gcg.paper,
    "gcg-64": gcg.narrow,
    "epo": epo.climb,
    "swaps": swaps.climb,
    f"gcg-64{SEEDED}": gcg.narrow,
    f"epo{SEEDED}": epo.climb,
    f"swaps{SEEDED}": swaps.climb,
}
