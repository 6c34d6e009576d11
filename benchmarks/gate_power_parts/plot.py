"""Power curves side by side, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from gate_power_parts.simulated import Curves

#: Colours of Okabe and Ito, which colour-blind readers can tell apart, and dashes for those who print in grey.
STYLES = {
    "best attainable, one case": ("#000000", ":"),
    "one case": ("#0072B2", "-"),
    "three attacks pooled": ("#009E73", "-"),
    "unpaired z test": ("#CC79A7", "--"),
    "tolerance of 1 point": ("#D55E00", "-."),
    "tolerance of 2 points": ("#E69F00", "-."),
}


def draw(found: Sequence[Curves], path: Path) -> None:
    """A row for each discordance, a column for each number of images."""
    matplotlib.use("svg")
    # the same figures give the same file
    pyplot.rcParams.update(
        {
            "svg.hashsalt": "gate_power",
            "svg.fonttype": "none",
            "font.size": 9,
            "axes.grid": True,
            "grid.color": "#dddddd",
        }
    )
    rows = sorted({one.discordance for one in found})
    columns = sorted({one.images for one in found})
    figure, axes = pyplot.subplots(
        len(rows), len(columns), figsize=(11, 5.6), sharex=True, sharey=True, facecolor="white", squeeze=False
    )
    for one in found:
        panel = axes[rows.index(one.discordance)][columns.index(one.images)]
        panel.set_title(f"{one.images:,} images, {one.discordance:.0%} of them change", fontsize=9)
        for name, (colour, dashes) in STYLES.items():
            x, y = ([100 * value for value in values] for values in (one.shifts, one.powers[name]))
            panel.plot(x, y, color=colour, linestyle=dashes, linewidth=1.8, label=name)
        panel.set_ylim(-2, 102)
    for panel in axes[-1]:
        panel.set_xlabel("rise of the success rate [points]")
    for row in axes:
        row[0].set_ylabel("chance of an alarm [%]")
    figure.suptitle("How large a change is caught")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=6, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
