"""The words of the pages: verdicts, levels of evidence, and what else needs explaining."""

from posekit.claims.family import FAMILY

MEANING = {
    "reproduced": "parameters and operations are counted as printed or in the order claimed, "
    "printed arithmetic holds, or, on the paper's own data with 3 seeds or more, the order is as "
    "claimed or the number lies within the margin; only runs of size paper decide a number, an "
    "order may be of a smaller size, which its note names",
    "supported": "on other data than the paper's (E3, E4), or timed on another device, the order "
    "is as claimed, with 3 seeds or more and the whole interval on the claimed side",
    "as specified": "posekit was built or set as the paper states it; shows that the text can be "
    "built, not that the statement is true",
    "inconclusive": "the interval reaches across zero, the margin or a threshold, also after the correction for "
    "the number of comparisons; there are under 3 seeds; the networks have not closed half of the "
    "gap between the floor and a perfect result (undertrained); the claim fails by a threshold of "
    "ours alone; only some of the methods that the claim is about were measured; or another "
    "reading of what the paper leaves open gives the opposite",
    "contradicted": "the interval lies on the other side, or the count made here is not the "
    "printed one, or not in the order claimed",
    "inconsistent": "the numbers that the paper prints contradict the claim (E0), or published "
    "code, or other documents of its authors, contradict it (E2)",
    "not derivable": "what is published does not determine it",
    "needs data": "can be decided only on data that is not here",
    "needs hardware": "can be decided only on a device that is not here",
    "not run": "could be measured and was not yet, or not at size paper, which a number needs",
    "repeated": "makes the same comparison as another claim, which is judged in its place",
    "quoted": "another paper's number: kept and audited, not this paper's to reproduce",
}
EVIDENCE = {
    "E0": "the paper's own arithmetic",
    "E1": "counted in the model built here, read back from its settings, or timed here",
    "E2": "held against an independent reference: a formula, a library, published code",
    "E3": "tested on the studio, which is generated data, and trained on it, by some with photographs beside it",
    "E4": "tests on real data, but not the paper's; networks that real people taught decide before the studio's",
    "E5": "the paper's data, fewer than 3 seeds, or counted in that data",
    "E6": "the paper's data, 3 seeds or more; the note names the size, which may be below paper",
}

GLOSSARY = {
    "floor": "what a network reaches that makes no use of its input: the mean pose, a network that sees "
    "no picture, or heatmaps with nothing in them. The gain is the share of the gap between it and "
    "a perfect result that was closed; networks below 50 % decide nothing",
    "corrected p": "p of no difference after Holm's correction over "
    f"{FAMILY}; below 0.05 it decides",
    "audit": "a paper's printed numbers held against each other and against its claims",
    "card": "one published rule of evaluation, under a name of its own; [protocols.md](protocols.md) "
    "has those used",
    "MSE": "mean squared error, as the card has it",
    "ours": "in tables, the method of the paper itself as rebuilt here; with a suffix, another "
    "reading of what its text leaves open",
    "P1, P2": "protocol 1 and 2, as papers call their rules; here a number always names its card",
    "quoted": "printed by the paper, but another paper's number",
    "recovered": "not in the text of the paper at hand, which may have lost rows of a table, but "
    "in another document or in published code, which is named",
    "seed": "one training from one random start; n counts them",
    "size": "how much of an experiment was run: `smoke` (a minute, never counts), `small` (minutes "
    "on a laptop, with narrower networks and fewer poses or pictures), `medium` (a night on two "
    "cores), `large` (the paper's networks and picture sizes, on a GPU), `paper` (the published "
    "recipe on the published data)",
    "slice": "a part of what a card measures: one action, such as Eating, one person, such as S9, "
    "one group of joints, such as the wrists, or one epoch of a training",
    "studio": "the generated data that is part of posekit: motion (`studio`, see "
    "[studio.md](studio.md)), its pictures (`studio-pictures`) and single pictures of strangers "
    "(`studio-wild`); `studio-others` are its actors S12 to S31, in no split of a paper",
    "cmu": "CMU's motion capture of real people, before the studio's cameras; networks that the studio taught "
    "are tested on it",
    "cmu-folds": "CMU's motion capture, each performer tested by networks that were trained on performers "
    "of other folds, by five seeds at most",
    "X-truth": "poses of which true 2D joints are lifted, not those of the noisy detector: `cmu-truth-folds`",
}

STUDIO = (
    "Studio numbers are numbers on generated data, not on a paper's, and must not be compared with "
    "the printed ones that they stand beside: 30 mm, or 90 %, on the studio is not that on a paper's data. They compare "
    "models with each other: they can support or contradict an order that a paper claims, and no "
    "printed value is judged by them. Their intervals are over seeds, on the studio's test people: one "
    "or two actors, as a paper splits Human3.6M, or strangers in poses of their own; other people "
    "could give another order. Where the actors S12 to S31 are tested, too, a second interval is over people."
)
