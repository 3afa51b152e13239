"""What tells the parts of a claim apart, in a word or two."""

from collections import Counter

from posekit.claims import Claim, Part
from posekit.expression import Call, Quantity, names


def labels(claim: Claim) -> list[str]:
    """What tells the parts of a claim apart: the card, or the quantity; '' for one plain number."""
    if len({part.card for part in claim.parts}) > 1:
        return [part.card or _metric(part) for part in claim.parts]
    if len(claim.parts) == 1 and isinstance(claim.parts[0].left, Quantity):
        return [""]
    words = [part.names[0].removeprefix("recipe_").split("/") for part in claim.parts]
    metrics = [metric for metric, *_ in words]
    labels = []
    for part, (metric, _, *rest) in zip(claim.parts, words):
        if isinstance(part.left, Call) and part.left.function not in ("min", "max"):
            metric, rest = part.left.function, []
        labels.append(" ".join([metric, *(rest if metrics.count(metric) > 1 else [])]))
    return _apart(claim.parts, [label.replace("_", " ") for label in labels])


def _metric(part: Part) -> str:
    """What a part without a card is about, top1 of top1/densenet201."""
    return part.names[0].removeprefix("recipe_").split("/")[0].replace("_", " ")


def _apart(parts: tuple[Part, ...], labels: list[str]) -> list[str]:
    """The labels, those that several parts share told apart by the subjects of these parts."""
    shared = [label for label, count in Counter(labels).items() if count > 1]
    for label in shared:
        places = [i for i, name in enumerate(labels) if name == label]
        left = [names(parts[i].left)[0].split("/")[1] for i in places]
        right = [", ".join(q.split("/")[1] for q in names(parts[i].right)) for i in places]
        if len(set(left)) == 1 and all(right):
            left = [f"against {subjects}" for subjects in right]
        named = left if len(set(labels)) == 1 else [f"{label} {subject}" for subject in left]
        labels = [named[places.index(i)] if i in places else n for i, n in enumerate(labels)]
    return labels
