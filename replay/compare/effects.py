"""How far two sides lie apart, and how well that is known.

The estimate is the median of the differences between pairs: of each item, the mean over the rounds
of one side less that of the other. Two things can move it without any change in what is measured.
*Which recordings were taken*: its error is the standard deviation over resamples of whole
recordings (a cluster bootstrap), since words of one recording are not independent. *Which rounds
were played*: a round that is slow as a whole moves all its words together, and no number of words
tells that from a change. So each round is reduced to one number, the median by which its items lie
off their own side's mean, and rounds of one side differ from each other only by such noise: they
are comparisons of a thing with itself. The two errors are added in squares, with
Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from replay.compare.pairs import Counts, Pairs
from replay.statistics import Floats, smallest_sample
from replay.timeline import Ints

RESAMPLES = 1000
_BATCH = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A change in the measure's own unit.

    Attributes:
        base, new: the figure on each side, over the pairs.
        change: the estimate.
        round_error, sample_error: standard errors from the rounds and from the recordings.
        freedom: degrees of freedom of both together.
        offsets: what each round of the base, then of the new side, lies off its own side's mean;
            or with `paired` rounds, the change seen in each of them off the mean change.
        count: how many pairs; clusters: of how many recordings, or utterances of a single one.
    """

    base: float
    new: float
    change: float
    round_error: float
    sample_error: float
    freedom: float
    offsets: Floats
    count: int
    clusters: int

    @property
    def error(self) -> float:
        return float(np.hypot(self.round_error, self.sample_error))


def of_pairs(pairs: Pairs, *, paired: bool, seed: int = 0) -> Estimate | None:
    """The change at the median of the pairs.

    Args:
        paired: the rounds of both sides were played in turns, so that the k-th of one belongs to
            the k-th of the other.

    None where there is nothing to compare, or only one round on a side: then its noise is unknown.
    """
    base, new = _mean(pairs.base), _mean(pairs.new)
    change = new - base
    cluster = _clusters(pairs.cluster)
    order = np.argsort(change, kind="stable")

    def median(weights: Floats) -> Floats:
        return _weighted(change[order], weights[:, order], 0.5)

    return _estimate(
        base=float(np.median(base)),
        new=float(np.median(new)),
        change=float(np.median(change)),
        offsets=(offsets(pairs.base), offsets(pairs.new)),
        paired=paired,
        statistic=median,
        cluster=cluster,
        seed=seed,
    )


def at_quantile(pairs: Pairs, q: float, *, paired: bool, seed: int = 0) -> Estimate | None:
    """The change of the `q`-quantile over the paired items; for q above the median.

    None also where there are too few items to have that quantile at all.
    """
    if pairs.count < smallest_sample(q):
        return None
    base, new = _mean(pairs.base), _mean(pairs.new)
    orders = [np.argsort(side, kind="stable") for side in (base, new)]

    def difference(weights: Floats) -> Floats:
        below, above = (
            _weighted(side[order], weights[:, order], q)
            for side, order in zip((base, new), orders, strict=True)
        )
        return np.asarray(above - below)

    whole = np.ones((1, pairs.count))
    columns = [_columns(side, q) for side in (pairs.base, pairs.new)]
    return _estimate(
        base=float(_weighted(base[orders[0]], whole, q)[0]),
        new=float(_weighted(new[orders[1]], whole, q)[0]),
        change=float(difference(whole)[0]),
        offsets=(columns[0] - columns[0].mean(), columns[1] - columns[1].mean()),
        paired=paired,
        statistic=difference,
        cluster=_clusters(pairs.cluster),
        seed=seed,
    )


def of_counts(counts: Counts, *, paired: bool, seed: int = 0) -> Estimate | None:
    """The change of a ratio over all recordings together."""
    sides = [(counts.base_top, counts.base_bottom), (counts.new_top, counts.new_bottom)]
    means = [(_mean(top), _mean(bottom)) for top, bottom in sides]
    if any(not bottom.sum() for _, bottom in means):
        return None
    base, new = (float(top.sum() / bottom.sum()) for top, bottom in means)
    rounds = [np.nansum(top, axis=0) / np.nansum(bottom, axis=0) for top, bottom in sides]

    def difference(weights: Floats) -> Floats:
        below, above = ((weights @ top) / (weights @ bottom) for top, bottom in means)
        return np.asarray(above - below)

    return _estimate(
        base=base,
        new=new,
        change=new - base,
        offsets=(rounds[0] - rounds[0].mean(), rounds[1] - rounds[1].mean()),
        paired=paired,
        statistic=difference,
        cluster=np.arange(len(counts.base_top)),
        seed=seed,
    )


def _estimate(
    *,
    base: float,
    new: float,
    change: float,
    offsets: tuple[Floats, Floats],
    paired: bool,
    statistic: Callable[[Floats], Floats],
    cluster: Ints,
    seed: int,
) -> Estimate | None:
    noise = _between(*offsets) if paired else _within(*offsets)
    if noise is None:
        return None
    round_error, round_freedom, moved = noise
    clusters = int(cluster.max()) + 1
    sample_error = 0.0
    if clusters > 1:
        drawn = np.random.default_rng(seed).multinomial(
            clusters, np.full(clusters, 1 / clusters), size=RESAMPLES
        )
        # In batches: of ten thousand words all weights at once would be 80 MB several times over.
        size = max(1, _BATCH // len(cluster))
        found = [
            statistic(drawn[at : at + size, cluster].astype(np.float64))
            for at in range(0, RESAMPLES, size)
        ]
        sample_error = float(np.std(np.concatenate(found), ddof=1))
    return Estimate(
        base=base,
        new=new,
        change=change,
        round_error=round_error,
        sample_error=sample_error,
        freedom=_satterthwaite((round_error, round_freedom), (sample_error, clusters - 1)),
        offsets=moved,
        count=len(cluster),
        clusters=clusters,
    )


def _within(base: Floats, new: Floats) -> tuple[float, float, Floats] | None:
    """The rounds' error from how rounds of one side differ among themselves."""
    if min(len(base), len(new)) < 2:
        return None
    freedom = len(base) + len(new) - 2
    variance = float((base**2).sum() + (new**2).sum()) / freedom
    error = float(np.sqrt(variance * (1 / len(base) + 1 / len(new))))
    return error, freedom, np.concatenate((base, new))


def _between(base: Floats, new: Floats) -> tuple[float, float, Floats] | None:
    """The same from how the change differs between rounds that were played in turns: what moved
    both sides of a round is in neither."""
    count = min(len(base), len(new))
    if count < 2:
        return None
    moved = new[:count] - base[:count]
    moved = moved - moved.mean()
    error = float(np.sqrt((moved**2).sum() / (count - 1) / count))
    return error, count - 1, moved


def _satterthwaite(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of errors, each with its own (Satterthwaite 1946)."""
    whole = sum(error**2 for error, _ in parts)
    below = sum(error**4 / freedom for error, freedom in parts if error)
    return whole**2 / below if below else float("inf")


def _clusters(cluster: Ints) -> Ints:
    """Numbered from 0 without a gap."""
    return np.asarray(np.unique(cluster, return_inverse=True)[1])


def _mean(values: Floats) -> Floats:
    """Of each row, of what is there; rows have something."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0).sum(axis=1) / known.sum(axis=1))


def offsets(values: Floats) -> Floats:
    """Of each round, the median by which its items lie off their means over all rounds.

    Rounds without any are left out. An item that was there in one round alone says nothing of the
    noise between rounds.
    """
    off = values - _mean(values)[:, None]
    several = (~np.isnan(values)).sum(axis=1) > 1
    rows = off[several] if several.any() else off
    kept = rows[:, ~np.isnan(rows).all(axis=0)]
    return np.asarray(np.nanmedian(kept, axis=0))


def _columns(values: Floats, q: float) -> Floats:
    """The quantile of each column that has something."""
    kept = values[:, ~np.isnan(values).all(axis=0)]
    return np.asarray(np.nanquantile(kept, q, axis=0, method="inverted_cdf"))


def _weighted(ordered: Floats, weights: Floats, q: float) -> Floats:
    """The nearest-rank `q`-quantile of sorted values, for each row of weights.

    At the median, with as much below as above, the middle between the two.
    """
    sums = np.cumsum(weights, axis=1)
    wanted = q * sums[:, -1:]
    upper = np.argmax(sums >= wanted - 1e-9, axis=1)
    if q != 0.5:
        return np.asarray(ordered[upper])
    beyond = np.argmax(sums > wanted + 1e-9, axis=1)
    return np.asarray((ordered[upper] + ordered[beyond]) / 2)
