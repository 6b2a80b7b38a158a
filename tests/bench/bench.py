"""The table that every bench prints and writes."""

import argparse
import json
import pathlib
import sys


class Table:
    """Rows of {what, value, unit, baseline, ratio, reach, holds}."""

    def __init__(self, description, parts):
        """`parts`: functions, of which the command line may choose some by name."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--output", required=True, help="JSON file to write")
        parser.add_argument("--check", action="store_true", help="exit status 1 when a figure is beyond its reach")
        names = [part.__name__ for part in parts]
        parser.add_argument("--part", action="append", choices=names, help="measure this part only; may be repeated")
        self.options = parser.parse_args()
        self.parts = [part for part in parts if part.__name__ in (self.options.part or names)]
        self.rows = []

    def add(self, what, value, unit, baseline=None, reach=None):
        """`reach` bounds the ratio when there is a baseline, else the value. None: reported only."""
        ratio = value / baseline if baseline else None
        measured = ratio if baseline else value
        holds = None if reach is None else measured <= reach
        self.rows.append(
            {"what": what, "value": round(value, 3), "unit": unit, "baseline": baseline and round(baseline, 3),
             "ratio": ratio and round(ratio, 3), "reach": reach, "holds": holds}
        )
        print(f"measured: {what}: {value:.3f} {unit}" + (f", {ratio:.2f} of {baseline:.3f}" if ratio else ""), flush=True)

    def finish(self):
        path = pathlib.Path(self.options.output)
        path.write_text(json.dumps(self.rows, indent=1) + "\n")
        print(f"\n{'what':62} {'value':>10} {'unit':6} {'baseline':>9} {'ratio':>7} {'reach':>7}  holds")
        for row in self.rows:
            cells = [row["baseline"], row["ratio"], row["reach"]]
            shown = " ".join(f"{'' if cell is None else cell:>{width}}" for cell, width in zip(cells, (9, 7, 7), strict=True))
            holds = {None: "", True: "yes", False: "NO"}[row["holds"]]
            print(f"{row['what']:62} {row['value']:>10} {row['unit']:6} {shown}  {holds}")
        print(f"\nwritten: {path}")
        return 1 if self.options.check and any(row["holds"] is False for row in self.rows) else 0


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    sys.exit("this is a module; run ci/bench")
