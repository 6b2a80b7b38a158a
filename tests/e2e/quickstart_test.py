"""ci/quickstart as a person runs it: on a terminal, to its end, and stopped half way. It uses the build that runs this
test, so that nothing is compiled, and a state folder of its own."""

import fcntl
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from farm import BIN, CACHE, SOURCE, grpcurl_program, wait_for

QUICKSTART = SOURCE / "ci/quickstart"
PHASES = ["packages", "build", "libvirt", "master", "machine image", "agent"]
STEPS = [
    "fetch_specs", "parse_packages", "translate_packages", "prepare_image", "setup_environment", "reach_environment",
    "pre_install", "install_packages", "post_install", "clean_up", "archive_rootfs", "pack_rootfs", "upload_artifacts",
]
TOOK = r"(?:\d+ m )?\d+(?:\.\d)? s"
# So long that only a hang fails: for what takes seconds, and for what may have to download and make an image first.
CEILING, LONG_CEILING = 120, 900


def preset():
    """The preset whose build this is: ci/quickstart finds nothing to compile there."""
    names = [p["name"] for p in json.loads((SOURCE / "CMakePresets.json").read_text())["configurePresets"]]
    name = BIN.resolve().parent.name
    if name not in names or BIN.resolve() != (SOURCE / "build" / name / "bin").resolve():
        raise AssertionError(f"ROOTWRIGHT_BIN: {BIN}: not {SOURCE}/build/PRESET/bin with a PRESET of CMakePresets.json "
                             f"({', '.join(names)}): ci/quickstart would compile anew; build with 'cmake --preset dev'")
    return name


class Terminal:
    """A program in the foreground of a terminal of its own; `text` is all that it has shown."""

    def __init__(self, argv, environment):
        self.raw, self.status = b"", None
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], [str(word) for word in argv], environment)
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    @property
    def text(self):
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))
        return plain.replace("\r\n", "\n").replace("\r", "\n")

    def read(self, seconds):
        """Takes what is shown; False at the end."""
        if not select.select([self.screen], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.screen, 1 << 16)
        except OSError:  # how Linux says that nobody has the terminal open
            piece = b""
        self.raw += piece
        return bool(piece)

    def wait_for_text(self, pattern, seconds=LONG_CEILING):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if not self.read(0.5) or time.monotonic() > end:
                raise AssertionError(f"never shown: {pattern}; shown: {self.text[-3000:]}")

    def press_control_c(self):
        os.write(self.screen, b"\x03")

    def finish(self, seconds=CEILING):
        """The exit status, as a shell has it."""
        end = time.monotonic() + seconds
        while self.read(0.5):
            if time.monotonic() > end:
                raise AssertionError(f"does not end within {seconds} s; shown: {self.text[-3000:]}")
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.screen)
        return self.status

    def close(self):
        """In whatever state it is: ends it as Ctrl-C does, which takes what it started along."""
        if self.status is None:
            self.press_control_c()
            self.finish()


class Stage(unittest.TestCase):
    """A state folder, and the runs on it."""

    # The text of a whole run is a megabyte.
    maxDiff = 1000

    def assert_shown(self, pattern, text, hint=""):
        self.assertTrue(re.search(pattern, text), f"never shown: {pattern}{hint}; shown: {text[:1000]} … {text[-3000:]}")

    def assert_nothing_compiled(self, text):
        self.assert_shown(rf"✓ build +{preset()}, nothing to do", text, " (did a source change after this build?)")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rootwright-qs-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.folder.chmod(0o711)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state, self.output = self.folder / "state", self.folder / "results"
        self.environment = dict(os.environ, ROOTWRIGHT_STATE=str(self.state), ROOTWRIGHT_PRESET=preset(),
                                ROOTWRIGHT_CACHE=str(CACHE), TERM="xterm", LC_ALL="C.UTF-8")
        self.environment.pop("NO_COLOR", None)
        self.addCleanup(self.end_kept)

    def end_kept(self):
        subprocess.run([QUICKSTART, "--end"], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=CEILING)

    def start(self, *words):
        terminal = Terminal([QUICKSTART, *words, "--output", self.output], self.environment)
        self.addCleanup(terminal.close)
        return terminal

    def services(self):
        """name → process id and start time of what goes on beyond a phase."""
        return {path.stem: path.read_text().strip() for path in self.state.glob("*.pid")}

    def goes_on(self, service):
        pid, start = service.split()
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return False
        # It has ended, too, when nobody has asked for its status yet.
        return fields[0] != "Z" and fields[19] == start

    def assert_nothing_left(self):
        listed = subprocess.run([SOURCE / "ci/check-leftovers", "list", self.folder], capture_output=True, text=True,
                                check=False, timeout=CEILING)
        self.assertEqual(listed.returncode, 0, listed.stdout + listed.stderr)
        self.assertEqual(self.services(), {})
        self.assertEqual([path for path in self.state.rglob("*") if path.is_socket()], [])
        self.assertEqual(list((self.state / "agent/work").glob("*")), [], "files of a build")

    def assert_ended_by(self, terminal, said, status):
        self.assertEqual(terminal.finish(), status, terminal.text[-3000:])
        self.assert_shown(f"{said}: ending what was started", terminal.text)
        self.assert_nothing_left()
        if (self.state / "libvirt-uri").read_text().strip() == "qemu:///system":
            # The host's own libvirtd, which goes on.
            domains = subprocess.run(["virsh", "-c", "qemu:///system", "list", "--all", "--name"], capture_output=True,
                                     text=True, check=True, timeout=CEILING).stdout.split()
            self.assertEqual(set(domains) & set(re.findall(r"domain (rootwright-\w+)", terminal.text)), set())


class WholeRun(Stage):
    def test_keeps_what_it_started_and_the_next_run_ends_it_first(self):
        first = self.start("--keep")
        self.assertEqual(first.finish(1500), 0, first.text[-3000:])
        self.check_view(first.text)
        build_id = self.check_results(first.text)
        self.check_commands(first.text, build_id)
        kept = self.services()
        self.assertLessEqual({"master", "agent"}, {name for name, service in kept.items() if self.goes_on(service)})

        second = self.start()
        second.wait_for_text("✓ agent ")
        self.assert_shown("Ending what an earlier run left running", second.text)
        self.assertEqual([name for name, service in kept.items() if self.goes_on(service)], [], "of the first run")
        self.assert_shown(r"✓ packages +\d+ installed, 0 new", second.text)
        self.assert_nothing_compiled(second.text)
        self.assert_shown(r"✓ machine image .*sha256:[0-9a-f]{8}… +reused", second.text)
        second.wait_for_text(r"install_packages .*[1-9]\d* of \d+ · ")
        # As a person does: the terminal tells its whole foreground group.
        second.press_control_c()
        self.assert_ended_by(second, "interrupted", 130)
        self.assertEqual([path.name for path in self.output.iterdir()], [build_id], "half a result")

    def check_view(self, text):
        self.assert_shown("^Rootwright quickstart: arm64-minimal", text)
        for phase in PHASES:
            self.assert_shown(rf"✓ {phase} .* {TOOK}", text)
        self.assert_nothing_compiled(text)
        counted = re.findall(r"install_packages .*?(\d+) of (\d+) · ", text)
        self.assertGreater(len({done for done, _ in counted}), 20, "the package counter moves")
        self.assert_shown(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] install_packages", text)
        # The last picture stays: each step with its time.
        last = text[text.rindex(f"✓ {STEPS[0]} "):]
        for step in STEPS:
            self.assert_shown(rf"✓ {step} +{TOOK}", last)

    def check_results(self, text):
        (folder,) = self.output.iterdir()
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in ("rootfs.tar.zst", "manifest.json"):
            content = (folder / name).read_bytes()
            size, unit, digest, path = re.search(rf"  {name} +([\d.]+) (\S+) +sha256:([0-9a-f]+)…? +(\S+)", text).groups()
            self.assertTrue(hashlib.sha256(content).hexdigest().startswith(digest), name)
            self.assertAlmostEqual(float(size), len(content) / {"KiB": 1 << 10, "MiB": 1 << 20}[unit], delta=0.051)
            self.assertEqual(pathlib.Path(path), folder / name)
        status = subprocess.run(["tar", "-xOf", folder / "rootfs.tar.zst", "var/lib/dpkg/status"], capture_output=True,
                                check=True, text=True).stdout
        packages = int(re.search(r"(\d+) packages, listed with their versions in", text)[1])
        self.assertEqual((packages, packages), (len(manifest["packages"]), len(re.findall("(?m)^Package: ", status))))
        build = json.loads((self.state / "build.json").read_text())
        self.assertEqual((build["id"], build["outcome"]), (folder.name, "OUTCOME_SUCCEEDED"))
        return folder.name

    def check_commands(self, text, build_id):
        """Each line that is printed for looking around works as it is printed."""
        printed = text[text.index("Still running"):].splitlines()[1:]
        commands = [line.strip() for line in printed if line.startswith("  ")]
        self.assertRegex(commands[0], "^export ROOTWRIGHT_MASTER=")
        wanted = {
            f"rootwright build show {build_id}": "succeeded",
            f"rootwright build log {build_id} install_packages": "openssh-server",
            "rootwright agent list": "builder-1",
            "grpcurl -plaintext": '"status": "SERVING"',
        }
        environment = dict(os.environ, PATH=f"{grpcurl_program().parent}:{os.environ['PATH']}")
        for start, answer in wanted.items():
            (command,) = [line for line in commands if line.startswith(start)]
            done = subprocess.run(["bash", "-ec", f"{commands[0]}\n{command}"], capture_output=True, text=True, check=False,
                                  cwd=self.folder, env=environment, timeout=CEILING)
            self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
            self.assertIn(answer, done.stdout, command)
        self.assert_shown(r"To end them: ROOTWRIGHT_STATE=\S+ ci/quickstart --end", text)


class StoppedHalfWay(Stage):
    def test_interrupted_while_the_machine_image_is_made(self):
        # An empty store of images, and the packages that make one, so that nothing is downloaded.
        cache = self.folder / "cache"
        cache.mkdir(mode=0o755)
        if (CACHE / "packages").exists():
            subprocess.run(["cp", "-a", "--reflink=auto", CACHE / "packages", cache], check=True)
        self.environment["ROOTWRIGHT_CACHE"] = str(cache)
        terminal = self.start()
        wait_for("an image in the making", lambda: terminal.read(0.1) and any(self.images(cache)), LONG_CEILING)
        terminal.press_control_c()
        self.assert_ended_by(terminal, "interrupted", 130)
        self.assertEqual(self.images(cache), [])
        made = subprocess.run([BIN / "rootwright-agent", "--config", self.state / "agent.textproto", "--make-image", "arm64"],
                              capture_output=True, text=True, check=False, timeout=LONG_CEILING)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertRegex(made.stdout, r"debian-12-arm64 sha256:[0-9a-f]{64}\n$")
        self.assertEqual(len(self.images(cache)), 1)

    def images(self, cache):
        """Whole ones, and folders in which one is made."""
        return [path for path in (cache / "images").glob("*") if path.is_dir()]

    def test_terminated_while_the_agent_starts(self):
        terminal = self.start()
        terminal.wait_for_text("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] agent ")
        os.kill(terminal.pid, signal.SIGTERM)
        self.assert_ended_by(terminal, "terminated", 143)

    def test_terminated_while_the_build_runs(self):
        terminal = self.start()
        terminal.wait_for_text("✓ setup_environment")
        os.kill(terminal.pid, signal.SIGTERM)
        self.assert_ended_by(terminal, "terminated", 143)


if __name__ == "__main__":
    unittest.main()
