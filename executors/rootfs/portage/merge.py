"""Runs emerge and tells how far it is. Inside a Portage environment:

    python3 - [emerge options] atom… <merge.py 3>&1 1>&2

emerge's own output goes to standard output and error. On descriptor 3, one JSON object a line:

    {"type": "snapshot", …}   what emerge works on, as FEATURES=observability tells it, about once a second
    {"type": "log", …}        a new line of emerge's log: it names every package, also those that go by between snapshots
    {"type": "failure", …}    a package that failed, with the last lines of its log, when emerge has ended
    {"type": "end", …}        always the last line: emerge's exit status

The exit status is emerge's. merge_report.h reads it and says what each field means.
"""

import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

LOG = pathlib.Path("/var/log/emerge.log")
BUILDS = pathlib.Path(os.environ.get("PORTAGE_TMPDIR", "/var/tmp"), "portage")
INTERVAL = 0.5
TAIL_LINES = 20
ERROR = re.compile(r"ERROR: (\S+?)(?:::\S+)? failed \((\S+) phase\):\s*$")
# Escape sequences that colour a terminal, and the mark that starts a line of Portage's own.
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MARK = re.compile(r"^\s*\*\s?")
OUTPUT = os.fdopen(os.dup(3), "w", encoding="utf-8", errors="replace")


def say(line_type, /, **fields):
    OUTPUT.write(json.dumps({"type": line_type, **fields}) + "\n")
    OUTPUT.flush()


def snapshot(pid):
    """Whoever connects is told at once how it is now."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(INTERVAL)
            connection.connect(f"/run/portage/emerge-{pid}.sock")
            line = connection.makefile("r", encoding="utf-8").readline()
        told = json.loads(line)
        return told if isinstance(told, dict) and told.get("type") == "snapshot" else None
    except (OSError, ValueError):
        return None


class LogFollower:
    """New lines of a file that only grows."""

    def __init__(self, path):
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0
        self.rest = ""

    def lines(self):
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                file.seek(self.offset)
                text = self.rest + file.read()
                self.offset = file.tell()
        except OSError:
            return []
        *lines, self.rest = text.split("\n")
        return lines


def failure(log):
    """What a build that was left behind died of; its log ends with Portage's own explanation."""
    before = collections.deque(maxlen=TAIL_LINES)
    category, package = log.parts[-4:-2]
    found = {"cpv": f"{category}/{package}", "phase": "", "message": "", "tail": [], "log": str(log.resolve())}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for raw in lines:
            line = COLOUR.sub("", raw).rstrip()
            if error := ERROR.search(line):
                found.update(cpv=error[1], phase=error[2], tail=list(before),
                             message=MARK.sub("", COLOUR.sub("", next(lines, ""))).strip())
                return found
            if line:
                before.append(line)
    found["tail"] = list(before)
    return found


def main():
    log = LogFollower(LOG)
    # What an earlier run left there is not this one's.
    known = set(BUILDS.glob("*/*/temp/build.log"))
    emerge = subprocess.Popen(["emerge", *sys.argv[1:]], stdin=subprocess.DEVNULL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: emerge.send_signal(received))
    told_at = 0
    while True:
        ended = emerge.poll() is not None
        for line in log.lines():
            say("log", text=line)
        if ended:
            break
        told = snapshot(emerge.pid)
        if told is not None and time.monotonic() - told_at >= 2 * INTERVAL:
            told_at = time.monotonic()
            OUTPUT.write(json.dumps(told) + "\n")
            OUTPUT.flush()
        try:
            emerge.wait(INTERVAL)
        except subprocess.TimeoutExpired:
            continue
    if emerge.returncode != 0:
        for path in sorted(set(BUILDS.glob("*/*/temp/build.log")) - known):
            say("failure", **failure(path))
    say("end", exit=emerge.returncode)
    return emerge.returncode if emerge.returncode >= 0 else 128 - emerge.returncode


sys.exit(main())
