"""The example build against what a user would take instead, and the figures beside it.

Both baselines and our build download their packages; the machine image is ready, as the second build of a day finds
it. Everything is measured in one run, one thing after the other.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from bench import Table, percentile
from farm import BIN, CACHE, SOURCE, Farm, Program, wait_for

EXAMPLE = SOURCE / "examples/specs/arm64-minimal"
PACKAGES = "busybox,dropbear-bin,ca-certificates,nano,python3-minimal,lighttpd,iproute2,openssh-server,i2c-tools"


def timed(argv, **options):
    start = time.monotonic()
    subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - start


def mmdebstrap(arch, folder):
    prefix = [SOURCE / "tests/with-qemu-user"] if arch == "arm64" else []
    return timed([*prefix, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--arch={arch}",
                  f"--include={PACKAGES}", "bookworm", folder / f"{arch}.tar", "http://deb.debian.org/debian"])


def step_walls(build):
    return {step["name"]: float(step["wall"].rstrip("s")) for step in build["steps"]}


def peak_rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def newest_image():
    images = [path for path in (CACHE / "images").glob("*/image.json") if "arm64" in path.read_text()]
    return max(images, key=lambda path: path.stat().st_mtime).parent


def hello_frame():
    """The host's first words to the guest program; executors/guest/frame.h and protocol.h have the layout."""
    body = struct.pack("<IQQ", 1, 0, 1)
    header = b"RWG1" + struct.pack("<HHI", 1, 0, len(body))
    check = 2166136261
    for byte in header:
        check = (check ^ byte) * 16777619 & 0xFFFFFFFF
    return header + struct.pack("<I", check) + body


def bare_boot(image, folder):
    """The plain command line, with the devices of our machines (executors/qemu/domain_xml.cc): process start to the guest program's first bytes on its channel."""
    overlay = folder / "bare.qcow2"
    base = next(path for path in image.iterdir() if path.name.startswith("root"))
    kind = "qcow2" if base.suffix == ".qcow2" else "raw"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", kind, overlay], check=True)
    channel = folder / "bare.sock"
    start = time.monotonic()
    machine = Program(
        "bare",
        ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "1024", "-smp", "1", "-nic", "none", "-display", "none", "-no-reboot",
         "-accel", "tcg,tb-size=256", "-kernel", image / "kernel", "-initrd", image / "initrd",
         "-append", "console=ttyAMA0 quiet loglevel=4 cryptomgr.notests panic=-1", "-serial", f"file:{folder}/bare.console",
         "-object", "iothread,id=iothread1", "-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng",
         "-drive", f"file={overlay},format=qcow2,if=none,id=root,cache=unsafe,discard=unmap",
         "-device", "virtio-blk-pci,drive=root,serial=root,iothread=iothread1", "-device", "virtio-serial-pci",
         "-chardev", f"socket,id=guest,path={channel},server=on,wait=off",
         "-device", "virtserialport,chardev=guest,name=rootwright.0"],
        folder / "bare.log",
    )
    try:
        wait_for("the socket", channel.exists, 20)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(channel))
            peer.settimeout(120)
            peer.sendall(hello_frame())
            assert peer.recv(1), "the machine closed its channel"
            return time.monotonic() - start
    finally:
        machine.kill()
        overlay.unlink()
        channel.unlink(missing_ok=True)


def first_event(farm):
    start = time.monotonic()
    with subprocess.Popen(
        [BIN / "rootwright", "--master", farm.master_address, "--json", "build", "submit", "--no-download", "--command",
         "--arch", "arm64", "--", "true"],
        stdout=subprocess.PIPE, cwd=farm.folder,
    ) as cli:
        for line in cli.stdout:
            if b'"event"' in line:
                took = time.monotonic() - start
                break
        cli.stdout.read()
    return took


def line_delays(farm, lines=300):
    """The guest prints its own clock (set from ours when it boots); we look at ours when the line is there."""
    script = f"for i in $(seq {lines}); do echo $EPOCHREALTIME; read -t 0.03 <> <(:) || true; done"
    delays = []
    with subprocess.Popen(
        [BIN / "rootwright", "--master", farm.master_address, "--json", "build", "submit", "--no-download", "--command",
         "--arch", "arm64", "--", "bash", "-c", script],
        stdout=subprocess.PIPE, cwd=farm.folder,
    ) as cli:
        for line in cli.stdout:
            now = time.time()
            chunk = json.loads(line).get("event", {}).get("logChunk")
            if chunk and chunk["step"] == "run_command":
                for word in base64.b64decode(chunk["data"]).split():
                    delays.append((now - float(word)) * 1000)
    assert len(delays) >= lines, f"{len(delays)} lines of {lines}"
    return delays


def packing(archive, folder):
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "--zstd", "--numeric-owner", "-xpf", archive, "-C", tree], check=True)
    ours, theirs = [], []
    for _ in range(3):
        ours.append(timed([BIN.parent / "tests/pack-tree", tree, folder / "ours.tar.zst"]))
        theirs.append(timed(["sh", "-c", 'tar -C "$1" -cf - . | zstd -q -3 -T0 -f -o "$2"', "sh", tree, folder / "theirs.tar.zst"]))
    shutil.rmtree(tree)
    return min(ours), min(theirs)


class ColdFarm(Farm):
    """Its packages are fetched anew, as mmdebstrap fetches them; those that the host's other farms share stay."""

    @property
    def packages(self):
        return self.folder / "packages"

    def config_of(self, name):
        shared, own = f'package_folder: "{CACHE}/packages"', f'package_folder: "{self.packages}"'
        config = super().config_of(name)
        assert shared in config, config
        return config.replace(shared, own)


def quickstart(folder, table):
    """From nothing, Debian's packages on this host apart: the first phase says how many of them were new."""
    clone, state = folder / "clone", folder / "state"
    subprocess.run(["git", "clone", "--quiet", SOURCE, clone], check=True)
    own = {"ROOTWRIGHT_STATE": state, "ROOTWRIGHT_CACHE": folder / "cache", "ROOTWRIGHT_PRESET": "release", "CCACHE_DISABLE": "1"}
    start = time.monotonic()
    with subprocess.Popen(
        [clone / "ci/quickstart"], env=os.environ | {name: str(value) for name, value in own.items()}, cwd=clone
    ) as run:
        try:
            status = run.wait()
        finally:
            # It ends all that it has started; when it has ended this does nothing.
            run.terminate()
    wall = time.monotonic() - start
    assert status == 0, f"ci/quickstart: exit {status}"
    for line in (state / "phases.json").read_text().splitlines():
        phase = json.loads(line)
        found = f" ({phase['found']})" if phase["phase"] in ("packages", "build") else ""
        table.add(f"ci/quickstart from nothing: {phase['phase']}{found}", phase["ms"] / 1000, "s")
    for step, took in step_walls(json.loads((state / "build.json").read_text())).items():
        table.add(f"ci/quickstart from nothing: step {step}", took, "s")
    table.add("ci/quickstart from nothing: all", wall, "s")


def build_example(farm, folder, repository):
    """From submit to the result in a folder here; the wall time, and the build."""
    # Those that the machine's image took, if it was not ready, and those of the run before.
    shutil.rmtree(farm.packages, ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    start = time.monotonic()
    done = farm.cli("build", "submit", repository, "--arch", "arm64", "--output", folder / "out", timeout=1500)
    wall = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    return wall, farm.newest_build()


def example(farm, folder, table):
    """In turns, so that what else the host does meets all of them alike."""
    files = {str(p.relative_to(EXAMPLE)): p.read_text() for p in EXAMPLE.rglob("*") if p.is_file()}
    repository = farm.repository(files)
    ours, native, emulated, steps = [], [], [], {}
    for run in range(table.options.runs):
        wall, build = build_example(farm, folder, repository)
        ours.append(wall)
        for step, took in step_walls(build).items():
            steps.setdefault(step, []).append(took)
        native.append(mmdebstrap("amd64", folder))
        # One takes as long as ten native ones: the first and the last turn must do.
        if run in (0, table.options.runs - 1):
            emulated.append(mmdebstrap("arm64", folder))
    table.add("peak memory of the agent", peak_rss_mib(farm.agents["builder-1"].pid), "MiB", None, 64)
    table.add("peak memory of the master", peak_rss_mib(farm.master.pid), "MiB", None, 64)
    for step, walls in steps.items():
        table.add(f"example build, step {step}", walls, "s")
    packed, piped = packing(next((folder / "out").rglob("rootfs.tar.zst")), folder)
    table.add("packing, against tar | zstd -3 -T0", packed, "s", piped, 1.2)
    table.add("example build, against mmdebstrap amd64 natively", ours, "s", native, 4)
    table.add("example build, against mmdebstrap arm64 by qemu-user", ours, "s", emulated, 0.5)


def boot(farm, folder, table):
    image = newest_image()
    bare, ours = [], []
    for _ in range(5):
        bare.append(bare_boot(image, folder))
        ours.append(step_walls(farm.finish(farm.submit_command("true")))["reach_environment"])
    table.add("boot: domain create to first reply, against bare QEMU", min(ours), "s", min(bare), 1.2)


def latency(farm, _folder, table):
    table.add("first event at the CLI after submit", percentile([first_event(farm) for _ in range(5)], 0.5) * 1000, "ms", None, 100)
    delays = line_delays(farm)
    table.add("line in the guest to line at the CLI, p50", percentile(delays, 0.5), "ms", None, 10)
    table.add("line in the guest to line at the CLI, p99", percentile(delays, 0.99), "ms", None, 50)


def flood(_farm, _folder, table, size=200_000_000):
    """On a farm of its own, as the peaks are to be those of this build."""
    with Farm() as farm:
        argv = ["build", "submit", "--no-download", "--log", "--log-limit", "256MiB", "--command", "--arch", "arm64"]
        begun, seen = None, 0
        with subprocess.Popen(
            [BIN / "rootwright", "--master", farm.master_address, *argv, "--", "sh", "-c", f"yes {'0123456789' * 7} | head -c {size}"],
            stdout=subprocess.PIPE, cwd=farm.folder,
        ) as cli:
            while piece := cli.stdout.read1(1 << 20):
                # The lines before the log are a few hundred bytes.
                if begun is None and seen > 1 << 16:
                    begun = time.monotonic()
                seen += len(piece)
                if seen <= size:
                    arrived = time.monotonic()
        assert cli.returncode == 0 and seen >= size, f"exit {cli.returncode}, {seen} bytes"
        took = step_walls(farm.newest_build())["run_command"]
        alone = step_walls(farm.finish(farm.submit_command("sh", "-c", f"yes {'0123456789' * 7} | head -c {size} >/dev/null")))
        table.add("200 MB of log, guest to CLI", size / (arrived - begun) / 1e6, "MB/s")
        table.add("200 MB of log, the command's time against writing nowhere", took, "s", alone["run_command"])
        table.add("200 MB of log, peak memory of the agent", peak_rss_mib(farm.agents["builder-1"].pid), "MiB", None, 64)
        table.add("200 MB of log, peak memory of the master", peak_rss_mib(farm.master.pid), "MiB", None, 64)


def main():
    table = Table(__doc__.splitlines()[0], [boot, latency, flood, example, quickstart])
    on_farm = [part for part in table.parts if part is not quickstart]
    with tempfile.TemporaryDirectory(prefix="rootwright-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        # QEMU's user finds its disks below.
        folder.chmod(0o711)
        if on_farm:
            with ColdFarm() as farm:
                farm.finish(farm.submit_command("true"))  # makes the image when it is not there
                for part in on_farm:
                    part(farm, folder, table)
        if quickstart in table.parts:
            quickstart(folder, table)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
