"""Ways for people into the environments of builds: shells, ssh, and environments that are kept."""

import fcntl
import json
import os
import platform
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from farm import BIN, Farm, wait_for

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
# What a build does while somebody looks at it.
WAITING = ["sh", "-c", "echo up; while [ ! -e /go ]; do sleep 0.1; done; cat /go"]


class Terminal:
    """`rootwright …` on a terminal of its own."""

    def __init__(self, farm, *words, rows=33, columns=101):
        self.said = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(ROOTWRIGHT_MASTER=farm.master_address, TERM="xterm")
            os.execv(BIN / "rootwright", ["rootwright", *map(str, words)])
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, seconds=60):
        """Reads until `text` is there, and takes what is up to it away."""
        end = time.monotonic() + seconds
        while text.encode() not in self.said:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"'{text}' never came; there is: {self.said!r}")
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                raise AssertionError(f"ended before '{text}'; there is: {self.said!r}")
            self.said += more
        before, self.said = self.said.split(text.encode(), 1)
        return before.decode(errors="replace")

    def end(self, seconds=60):
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    more = os.read(self.fd, 65536)
                except OSError:
                    more = b""
                self.said += more
                if not more:
                    break
        else:
            raise AssertionError(f"did not end; there is: {self.said!r}")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config="slots: 2")
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def waiting_build(self, options=()):
        build_id = self.farm.submit("--command", "--arch", HERE, *options, "--", *WAITING)
        # One that fails must not take the next one's slot.
        self.addCleanup(self.farm.cli, "build", "cancel", build_id)
        self.farm.wait_for_log(build_id, "run_command", "up")
        return build_id

    def let_go(self, build_id, text="went on"):
        # The environment may have ended before the shell could say that it did well.
        self.farm.cli("build", "shell", build_id, "--", "sh", "-c", f"echo {text} >/go.new; mv /go.new /go")
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        self.assertIn(text, self.farm.log(build_id, "run_command"))

    def test_shell_has_a_terminal_of_the_callers_size_which_follows(self):
        build_id = self.waiting_build()
        shell = Terminal(self.farm, "build", "shell", build_id)
        shell.type("echo size $(stty size); tty; echo TERM $TERM; pwd\n")
        shell.expect("size 33 101")
        shell.expect("/dev/pts/")
        shell.expect("TERM xterm")
        shell.expect("/root")
        shell.resize(50, 132)
        # The signal of a new size goes before what is typed after it.
        wait_for("the new size", lambda: self.size_of(shell) == "50 132", 30)
        shell.type("exit 7\n")
        self.assertEqual(shell.end(), 7)
        self.let_go(build_id)

    def size_of(self, shell):
        shell.type("echo now $(stty size) .\n")
        shell.expect("now $(")
        shell.expect("now ")
        return shell.expect(" .")

    def test_keys_reach_the_program_as_signals(self):
        build_id = self.waiting_build()
        shell = Terminal(self.farm, "build", "shell", build_id, "--", "sh", "-c",
                         "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done")
        shell.expect("ready")
        shell.type("\x03")
        shell.expect("caught")
        self.assertEqual(shell.end(), 3)
        self.let_go(build_id)

    def test_without_a_terminal_there_are_pipes_and_the_exit_status(self):
        build_id = self.waiting_build()
        done = self.farm.cli("build", "shell", build_id, "--", "sh", "-c", "tty; cat; echo oh >&2; exit 5", input="typed\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, "not a tty\ntyped\n", "oh\n"))
        done = self.farm.cli("build", "shell", build_id, "--", "sh", "-c", "kill -KILL $$")
        self.assertEqual(done.returncode, 128 + signal.SIGKILL)
        bulk = "x" * 79 + "\n"
        done = self.farm.cli("build", "shell", build_id, "--", "cat", input=bulk * 100_000)
        self.assertEqual(done.stdout, bulk * 100_000)
        self.let_go(build_id)

    def test_several_at_once_beside_the_builds_own_command(self):
        build_id = self.waiting_build()
        shells = [Terminal(self.farm, "build", "shell", build_id) for _ in range(3)]
        for number, shell in enumerate(shells):
            shell.type(f"echo in-$(({number}+10)); cat\n")
            shell.expect(f"in-1{number}")
        for number, shell in enumerate(shells):
            shell.type(f"line{number}\n")
            shell.expect(f"line{number}\r\nline{number}")
        # A shell that floods delays neither the build's log nor its end.
        flood = subprocess.Popen(
            [BIN / "rootwright", "build", "shell", build_id, "--", "cat", "/dev/zero"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, ROOTWRIGHT_MASTER=self.farm.master_address),
        )
        flood.stdout.read(10 << 20)
        self.let_go(build_id)
        # They end with the build's environment.
        flood.stdout.close()
        flood.wait(60)
        flood.stderr.close()
        for shell in shells:
            self.assertEqual(shell.end(), 6)
            self.assertIn(b"has ended", shell.said)

    def test_caller_that_goes_takes_its_program_with_it(self):
        build_id = self.waiting_build()
        shell = Terminal(self.farm, "build", "shell", build_id, "--", "sh", "-c", "echo ready; sleep 4711")
        shell.expect("ready")
        sleepers = ["build", "shell", build_id, "--", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 471[1]'"]
        self.assertEqual(self.farm.cli(*sleepers).stdout, "1\n")
        os.kill(shell.pid, signal.SIGKILL)
        shell.end()
        wait_for("the end of the program", lambda: self.farm.cli(*sleepers).stdout == "0\n", 30)
        self.let_go(build_id)

    def test_master_that_goes_ends_the_shell_and_not_the_build(self):
        build_id = self.waiting_build()
        shell = Terminal(self.farm, "build", "shell", build_id)
        shell.type("echo in-$((10+1))\n")
        shell.expect("in-11")
        self.farm.master.kill()
        self.assertEqual(shell.end(), 6)
        self.farm.start_master()
        wait_for("the agent", lambda: self.farm.agent_state("builder-1") == "AGENT_STATE_READY", 60)
        self.let_go(build_id)

    def test_build_that_has_ended_or_waits_has_no_environment(self):
        build_id = self.waiting_build()
        self.let_go(build_id)
        done = self.farm.cli("build", "shell", build_id, "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("has ended, and its environment with it", done.stderr)
        self.assertIn("--keep-failed", done.stderr)
        done = self.farm.cli("build", "shell", "ffffffff", "--", "true")
        self.assertEqual(done.returncode, 2)

    def kept_build(self, keep):
        done = self.farm.cli("build", "submit", "--command", "--arch", HERE, "--keep-failed", keep, "--",
                             "sh", "-c", "echo evidence >/evidence; exit 1")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        build = self.farm.newest_build()
        self.addCleanup(self.farm.cli, "build", "release", build["id"])
        self.assertIn(f"rootwright build shell {build['id']}", done.stdout)
        return build["id"]

    def agent(self):
        return json.loads(self.farm.cli("--json", "agent", "show", "builder-1").stdout)

    def test_failed_environment_is_kept_counted_and_released(self):
        build_id = self.kept_build("30m")
        agent = self.agent()
        self.assertEqual([kept["buildId"] for kept in agent["kept"]], [build_id])
        self.assertIn("until", agent["kept"][0])
        self.assertEqual(agent["freeSlots"], 1)
        self.assertIn(f"{build_id} until", self.farm.cli("agent", "show", "builder-1").stdout)
        self.assertEqual(len(self.farm.containers()), 1)
        shown = self.farm.cli("build", "shell", build_id, "--", "cat", "/evidence")
        self.assertEqual((shown.returncode, shown.stdout), (0, "evidence\n"))
        self.assertEqual(self.farm.cli("build", "release", build_id).returncode, 0)
        wait_for("free slots", lambda: self.agent().get("freeSlots") == 2, 30)
        self.assertEqual(self.agent().get("kept", []), [])
        self.assertEqual((self.farm.containers(), self.farm.leftovers()), ([], []))
        gone = self.farm.cli("build", "shell", build_id, "--", "true")
        self.assertEqual(gone.returncode, 2)
        self.assertIn("is not on its agent any more", gone.stderr)
        self.assertEqual(self.farm.cli("build", "release", build_id).returncode, 2)

    def test_one_that_timed_out_is_kept_and_one_that_was_cancelled_is_not(self):
        build_id = self.farm.submit("--command", "--arch", HERE, "--silence", "4s", "--keep-failed", "30m", "--",
                                    "sh", "-c", "echo evidence >/evidence; sleep 300")
        self.addCleanup(self.farm.cli, "build", "release", build_id)
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_TIMED_OUT")
        self.assertIn("keptUntil", build)
        self.assertEqual(self.farm.cli("build", "shell", build_id, "--", "cat", "/evidence").stdout, "evidence\n")
        cancelled = self.waiting_build(["--keep-failed", "30m"])
        self.farm.cancel(cancelled)
        self.assertNotIn("keptUntil", self.farm.finish(cancelled))

    def test_kept_environment_goes_at_its_time_or_when_cancelled(self):
        first, second = self.kept_build("4s"), self.kept_build("30m")
        self.assertEqual(self.farm.cli("build", "cancel", second).returncode, 0)
        wait_for("no container", lambda: not self.farm.containers(), 40)
        wait_for("free slots", lambda: self.agent().get("freeSlots") == 2, 30)
        self.assertNotEqual(first, second)

    def test_more_than_the_agent_keeps_stays_queued_and_is_explained(self):
        build_id = self.farm.submit("--command", "--arch", HERE, "--keep-failed", "9h", "--", "false")
        shown = wait_for("an explanation", lambda: self.farm.cli("build", "show", build_id).stdout, 10)
        self.assertIn("keeps failed environments for 28800 s at most", shown)
        self.farm.cancel(build_id)

    def test_kept_environment_goes_with_its_agent(self):
        self.kept_build("30m")
        self.farm.agents["builder-1"].kill()
        wait_for("the container's end", lambda: not self.farm.containers(), 30)
        self.farm.start_agent()
        self.assertEqual((self.farm.mounts(), self.agent().get("kept", [])), ([], []))
        self.kept_build("30m")
        self.farm.agents["builder-1"].end()
        self.assertEqual((self.farm.containers(), self.farm.mounts()), ([], []))
        self.farm.start_agent()


class Ssh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config="slots: 2")
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def begin(self):
        """Has an environment; returns its build's id."""
        build_id = self.farm.submit("--command", "--arch", HERE, "--", *WAITING)
        self.addCleanup(self.farm.cli, "build", "cancel", build_id)
        self.farm.wait_for_log(build_id, "run_command", "up")
        return build_id

    def setUp(self):
        self.build_id = self.begin()
        # Keys of this test are not the user's.
        self.home = dict(os.environ, ROOTWRIGHT_MASTER=self.farm.master_address, HOME=str(self.farm.folder),
                         XDG_CACHE_HOME=str(self.farm.folder / "cache"))

    def run_program(self, *words, **options):
        return subprocess.run([str(word) for word in words], env=self.home, cwd=self.farm.folder, check=False, timeout=120,
                              capture_output=True, text=True, **options)

    def config(self):
        shown = self.run_program(BIN / "rootwright", "build", "ssh-config", self.build_id[:6])
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn(f"Host rootwright-{self.build_id}\n", shown.stdout)
        path = self.farm.folder / f"{self.build_id}.cfg"
        path.write_text(shown.stdout)
        return path

    def test_command_with_input_and_exit_status(self):
        done = self.run_program(BIN / "rootwright", "build", "ssh", self.build_id, "--", "cat; id -u; echo oh >&2; exit 9",
                                input="typed\n")
        self.assertEqual((done.returncode, done.stdout), (9, "typed\n0\n"), done.stderr)
        self.assertIn("oh\n", done.stderr)

    def test_scp_copies_both_ways(self):
        config = self.config()
        there = self.farm.folder / "there"
        there.write_bytes(os.urandom(3 << 20))
        host = f"rootwright-{self.build_id}"
        done = self.run_program("scp", "-F", config, there, f"{host}:/var/tmp/there")
        self.assertEqual(done.returncode, 0, done.stderr)
        back = self.farm.folder / "back"
        done = self.run_program("scp", "-F", config, f"{host}:/var/tmp/there", back)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(back.read_bytes(), there.read_bytes())
        seen = self.farm.cli("build", "shell", self.build_id, "--", "stat", "-c", "%s", "/var/tmp/there")
        self.assertEqual(seen.stdout, f"{3 << 20}\n")

    def test_rsync_brings_a_folder_and_then_what_changed(self):
        folder = self.farm.folder / "sources"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep/large").write_bytes(os.urandom(1 << 20))
        (folder / "script").write_text("#!/bin/sh\necho ran\n")
        (folder / "script").chmod(0o755)
        there = f"rootwright-{self.build_id}:/var/tmp/sources"
        rsync = ("rsync", "-a", "--delete", "--stats", "-e", f"ssh -F {self.config()}")
        done = self.run_program(*rsync, f"{folder}/", there)
        self.assertEqual(done.returncode, 0, done.stderr)
        (folder / "script").write_text("#!/bin/sh\necho ran again\n")
        (folder / "deep/more").write_text("")
        done = self.run_program(*rsync, f"{folder}/", there)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Number of regular files transferred: 2\n", done.stdout)
        seen = self.farm.cli("build", "shell", self.build_id, "--", "sh", "-c", "/var/tmp/sources/script; ls /var/tmp/sources/deep")
        self.assertEqual(seen.stdout, "ran again\nlarge\nmore\n")

    def test_key_of_another_is_refused(self):
        config = self.config()
        stranger = self.farm.folder / "stranger"
        if not stranger.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
        refused = config.read_text().splitlines()
        refused = [f"  IdentityFile {stranger}" if "IdentityFile" in line else line for line in refused]
        config.write_text("\n".join(refused) + "\n")
        done = self.run_program("ssh", "-F", config, "-o", "BatchMode=yes", f"rootwright-{self.build_id}", "true")
        self.assertEqual(done.returncode, 255)
        self.assertIn("Permission denied", done.stderr)

    def test_terminal(self):
        environment = dict(os.environ)
        os.environ.update(XDG_CACHE_HOME=self.home["XDG_CACHE_HOME"])
        try:
            shell = Terminal(self.farm, "build", "ssh", self.build_id)
        finally:
            os.environ.clear()
            os.environ.update(environment)
        shell.type("echo size $(stty size); exit 3\n")
        shell.expect("size 33 101")
        self.assertEqual(shell.end(), 3)


class AccessToTrees(Ssh):
    """Where a root filesystem is built people come into that, as the steps do."""

    def begin(self):
        spec = self.farm.repository({"configuration.yml": """package_manager:
  apt:
    suite: bookworm

packages:
  dash: {}
  rsync: {}

post_install_commands:
  - "echo made >/var/tmp/made; exit 1"
"""})
        build_id = self.farm.submit("--arch", HERE, "--keep-failed", "20m", spec)
        build = self.farm.finish(build_id)
        self.assertIn("post_install", build["reason"])
        # The last one added comes first.
        self.addCleanup(wait_for, "the environment's end", lambda: not self.farm.containers(), 60)
        self.addCleanup(self.farm.cli, "build", "release", build_id)
        return build_id

    def test_shell_begins_in_the_tree_and_finds_the_environments_own_root(self):
        shown = self.farm.cli("build", "shell", self.build_id, "--", "sh", "-c", "cat /var/tmp/made; echo $ROOTWRIGHT_ROOT; tty",
                              stdin=subprocess.DEVNULL)
        self.assertEqual(shown.stdout, "made\n/\nnot a tty\n", shown.stderr)
        shown = self.farm.cli("build", "shell", self.build_id, "--root", "--", "sh", "-c", "cat $ROOTWRIGHT_ROOT/var/tmp/made")
        self.assertEqual(shown.stdout, "made\n", shown.stderr)
        shell = Terminal(self.farm, "build", "shell", self.build_id)
        shell.type("echo at $(tty); cat /var/tmp/made; exit\n")
        shell.expect("at /dev/pts/")
        shell.expect("made")
        self.assertEqual(shell.end(), 0)

    def test_ssh_ends_in_the_tree(self):
        done = self.run_program(BIN / "rootwright", "build", "ssh", self.build_id, "--", "cat /var/tmp/made")
        self.assertEqual((done.returncode, done.stdout), (0, "made\n"), done.stderr)


class AccessToMachines(unittest.TestCase):
    def test_shell_in_a_machine_beside_its_command(self):
        with Farm() as farm:
            build_id = farm.submit("--command", "--arch", "arm64", "--", *WAITING)
            farm.wait_for_log(build_id, "run_command", "up", 300)
            shell = Terminal(farm, "build", "shell", build_id)
            shell.type("echo $(uname -m) $(stty size); exit 4\n")
            shell.expect("aarch64 33 101")
            self.assertEqual(shell.end(), 4)
            environment = dict(os.environ, ROOTWRIGHT_MASTER=farm.master_address, XDG_CACHE_HOME=str(farm.folder / "cache"))
            logged_in = subprocess.run(
                [BIN / "rootwright", "build", "ssh", build_id, "--", "uname -m"], env=environment, capture_output=True,
                text=True, check=False, timeout=300,
            )
            self.assertEqual((logged_in.returncode, logged_in.stdout), (0, "aarch64\n"), logged_in.stderr)
            farm.cli("build", "shell", build_id, "--", "sh", "-c", "cat >/go.new; mv /go.new /go", input="from outside\n")
            self.assertEqual(farm.finish(build_id)["outcome"], "OUTCOME_SUCCEEDED")
            self.assertIn("from outside", farm.log(build_id, "run_command"))


if __name__ == "__main__":
    unittest.main()
