"""The table that every bench prints and writes."""

import argparse
import json
import pathlib
import statistics
import sys


class Table:
    """Rows of {what, value, unit, baseline, ratio, reach, holds, spread, baseline_spread}. A figure measured several
    times is its median; its spread is {runs, least, most}, and null for one that was measured once."""

    def __init__(self, description, parts):
        """`parts`: functions, of which the command line may choose some by name."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--output", required=True, help="JSON file to write")
        parser.add_argument("--check", action="store_true", help="exit status 1 when a figure is beyond its reach")
        names = [part.__name__ for part in parts]
        parser.add_argument("--part", action="append", choices=names, help="measure this part only; may be repeated")
        parser.add_argument("--runs", type=int, default=3, help="how often the long parts are measured in turns with their baselines; 3 if not given")
        self.options = parser.parse_args()
        if self.options.runs < 1:
            parser.error("--runs: at least 1")
        self.parts = [part for part in parts if part.__name__ in (self.options.part or names)]
        self.rows = []

    def add(self, what, value, unit, baseline=None, reach=None):
        """`reach` bounds the ratio when there is a baseline, else the value. None: reported only. Value and baseline may
        be lists of one figure for each run."""
        value, spread = median_and_spread(value)
        baseline, baseline_spread = median_and_spread(baseline)
        ratio = value / baseline if baseline else None
        measured = ratio if baseline else value
        holds = None if reach is None else measured <= reach
        self.rows.append(
            {"what": what, "value": round(value, 3), "unit": unit, "baseline": baseline and round(baseline, 3),
             "ratio": ratio and round(ratio, 3), "reach": reach, "holds": holds,
             "spread": spread, "baseline_spread": baseline_spread}
        )
        print(f"measured: {what}: {value:.3f}{spread_text(spread)} {unit}"
              + (f", {ratio:.2f} of {baseline:.3f}{spread_text(baseline_spread)}" if ratio else ""), flush=True)

    def finish(self):
        path = pathlib.Path(self.options.output)
        if self.options.part and path.exists():
            # Figures of the parts that were not measured now stay as they were.
            new = {row["what"] for row in self.rows}
            self.rows = [row for row in json.loads(path.read_text()) if row["what"] not in new] + self.rows
        path.write_text(json.dumps(self.rows, indent=1) + "\n")
        print(f"\n{'what':62} {'value':>10} {'unit':6} {'baseline':>9} {'ratio':>7} {'reach':>7}  holds")
        for row in self.rows:
            cells = [row["baseline"], row["ratio"], row["reach"]]
            shown = " ".join(f"{'' if cell is None else cell:>{width}}" for cell, width in zip(cells, (9, 7, 7), strict=True))
            holds = {None: "", True: "yes", False: "NO"}[row["holds"]]
            print(f"{row['what']:62} {row['value']:>10} {row['unit']:6} {shown}  {holds}")
            if row["spread"] or row["baseline_spread"]:
                text = f"  of{spread_text(row['spread'])}" + (f", baseline{spread_text(row['baseline_spread'])}" if row["baseline"] else "")
                print(text)
        print(f"\nwritten: {path}")
        return 1 if self.options.check and any(row["holds"] is False for row in self.rows) else 0


def median_and_spread(figures):
    """Of a list; of anything else, itself and none."""
    if not isinstance(figures, list):
        return figures, None
    spread = {"runs": len(figures), "least": round(min(figures), 3), "most": round(max(figures), 3)}
    return statistics.median(figures), spread if len(figures) > 1 else None


def spread_text(spread):
    return f" ({spread['runs']} runs, {spread['least']:.3f} to {spread['most']:.3f})" if spread else ""


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    sys.exit("this is a module; run ci/bench")
