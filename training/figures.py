"""Figures, each with its spread and its count, and reports of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nca_viewer.healing import healed_fraction

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        scenario: One of `training.evaluate.SCENARIOS`.
        condition: What was done, for example 'mask 0.5, 64 steps'.
        metric: What was measured, with its unit, for example 'PSNR (dB)'.
        value: The figure; None if it is not finite.
        aggregate: How `value` sums up the automata: 'mean', 'largest', 'smallest', or 'of means' where it is
            computed from mean errors.
        percentile_5: 5th percentile of the single automata's figures; None if it is not finite or undefined.
        count: Number of automata.
        not_finite: How many of them gave a figure that is not finite.
    """

    scenario: str
    condition: str
    metric: str
    value: float | None
    aggregate: str
    percentile_5: float | None
    count: int
    not_finite: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one automaton, and how they were obtained.

    Attributes:
        figures: In the order of `SCENARIOS`.
        seed: Of every random choice.
        batch_size: Automata that ran side by side.
        details: Where the automaton and the images came from; plain values for JSON.
    """

    figures: tuple[Figure, ...]
    seed: int
    batch_size: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures that are not finite are None."""
        return {
            "format_version": FORMAT_VERSION,
            "details": dict(self.details),
            "seed": self.seed,
            "batch_size": self.batch_size,
            "figures": [dataclasses.asdict(figure) for figure in self.figures],
        }


def format_table(reports: Sequence[Report], names: Sequence[str]) -> str:
    """The figures of one or more reports as a plain text table, one column group per report."""
    indices: dict[tuple[str, str, str, str], None] = {}
    for report in reports:
        for figure in report.figures:
            indices.setdefault((figure.scenario, figure.condition, figure.metric, figure.aggregate), None)
    header = ["scenario", "condition", "figure"]
    for name in names:
        header += [name, "5th perc.", "count"]
    rows = [header]
    for index in indices:
        scenario, condition, metric, aggregate = index
        row = [scenario, condition, metric if aggregate in ("mean", "of means") else f"{metric}, {aggregate}"]
        for report in reports:
            matches = [f for f in report.figures if (f.scenario, f.condition, f.metric, f.aggregate) == index]
            if not matches:
                row += ["-", "-", "-"]
                continue
            figure = matches[0]
            count = f"{figure.count}" + (f" ({figure.not_finite} not finite)" if figure.not_finite else "")
            row += [_number(figure.value), _number(figure.percentile_5), count]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}" if abs(value) < 1e5 else f"{value:.2e}"


def figure(scenario: str, condition: str, metric: str, values: ArrayLike, aggregate: str = "mean") -> Figure:
    """The figure of these automata's values: float[N]; `aggregate` is 'mean', 'largest' or 'smallest'."""
    values = np.asarray(values, np.float64)
    aggregates: Mapping[str, Callable[..., Any]] = {"mean": np.mean, "largest": np.max, "smallest": np.min}
    value = float(aggregates[aggregate](values))
    return Figure(
        scenario,
        condition,
        metric,
        finite(value),
        aggregate,
        finite(np.percentile(values, 5)) if np.isfinite(values).all() else None,
        len(values),
        int(np.sum(~np.isfinite(values))),
    )


def finite(value: float) -> float | None:
    """The value, or None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def healed_figure(scenario: str, condition: str, errors: Sequence[NDArray[np.float64]]) -> Figure:
    """The healed fraction, of mean squared errors float[N] before a wound, just after it, and healed."""
    before, wounded, _ = errors
    fractions = healed_fraction(*errors)[~(wounded <= before)]
    low = float(np.percentile(fractions, 5)) if len(fractions) else float("nan")
    return Figure(
        scenario,
        condition,
        "healed fraction",
        finite(healed_fraction(*(np.mean(error) for error in errors))),
        "of means",
        finite(low),
        len(errors[2]),
        int(np.sum(~np.isfinite(errors[2]))),
    )
