"""Builds in containers of the host's own architecture: to the first command, and whole, on an agent that is idle."""

import datetime
import platform
import subprocess
import sys
import tempfile
import time
import uuid

from bench import Table, percentile
from farm import BIN, CACHE, Farm

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
COUNT = 30


def seconds(text):
    """Of a time in the contract's JSON, which has nanoseconds."""
    whole, _, rest = text.rstrip("Z").partition(".")
    stamp = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    return stamp.timestamp() + float(f"0.{rest or 0}")


def run(farm):
    """One build that does nothing; when it was submitted, and how long until all of it was gone."""
    start = time.monotonic()
    done = farm.cli("build", "submit", "--no-download", "--command", "--arch", HERE, "--", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    while farm.mounts() or farm.leftovers():
        time.sleep(0.002)
    return time.monotonic() - start


def bare_libvirt(farm):
    """What libvirt takes for a container with nothing in it, for comparison: create until its program runs."""
    with tempfile.TemporaryDirectory(prefix="bare-", dir=farm.folder) as root:
        subprocess.run(["mkdir", *(f"{root}/{name}" for name in ("dev", "proc", "run", "sys", "bin"))], check=True)
        subprocess.run(["cp", BIN.parent / "guest" / HERE / "rootwright-guest", f"{root}/bin/guest"], check=True)
        name = f"bare-{uuid.uuid4().hex[:8]}"
        xml = (
            f"<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory><os><type>exe</type>"
            "<init>/bin/guest</init><initarg>--socket</initarg><initarg>/run/guest.sock</initarg></os>"
            "<features><privnet/></features><devices>"
            f"<filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>"
            "<console type='pty'/></devices></domain>"
        )
        virsh = ["virsh", "-c", farm.uri.replace("qemu+", "lxc+", 1)]
        start = time.monotonic()
        subprocess.run([*virsh, "create", "/dev/stdin"], input=xml, text=True, check=True, capture_output=True)
        took = time.monotonic() - start
        subprocess.run([*virsh, "destroy", name], check=True, capture_output=True)
        return took


def container(farm, table):
    farm.finish(farm.submit("--command", "--arch", HERE, "--", "true"))  # makes the image when it is not there
    whole, first, reached = [], [], []
    for _ in range(COUNT):
        whole.append(run(farm))
        build = farm.newest_build()
        steps = {step["name"]: step for step in build["steps"]}
        first.append(seconds(steps["run_command"]["startedAt"]) - seconds(build["submittedAt"]))
        reached.append(float(steps["reach_environment"]["wall"].rstrip("s")))
    table.add("libvirt's own part: virsh create of a bare container, p50", percentile([bare_libvirt(farm) for _ in range(5)], 0.5) * 1000, "ms")
    table.add("create, limit, shut in and reach a container, p50", percentile(reached, 0.5) * 1000, "ms")
    table.add("request to first command, p50", percentile(first, 0.5) * 1000, "ms", None, 150)
    table.add("request to first command, p90", percentile(first, 0.9) * 1000, "ms")
    table.add("no-op build, command line to everything gone, p50", percentile(whole, 0.5) * 1000, "ms", None, 500)
    table.add("no-op build, command line to everything gone, p90", percentile(whole, 0.9) * 1000, "ms")
    status = (f"/proc/{farm.agents['builder-1'].pid}/status")
    with open(status, encoding="utf-8") as lines:
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    table.add("peak memory of the agent", peak / 1024, "MiB", None, 64)


def main():
    table = Table(__doc__.splitlines()[0], [container])
    CACHE.mkdir(parents=True, exist_ok=True)
    with Farm() as farm:
        for part in table.parts:
            part(farm, table)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
