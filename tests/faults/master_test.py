"""What a master must get over: artifacts that are too large, watchers that do not read, and its own end by force."""

import base64
import contextlib
import hashlib
import signal
import subprocess
import unittest

from farm import BIN, Farm, wait_for

QUICK_LINK = ("--heartbeat", "1s", "--session-timeout", "4s", "--lease", "12s")
FLOOD_BYTES = 200_000_000
# The peaks of master and agent over a build that prints FLOOD_BYTES while nobody reads: a third of them.
MOST_MIB = 64


class Master(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(master_flags=[*QUICK_LINK, "--max-artifact-bytes", "61000000"])
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def parts(self):
        return list((self.farm.folder / "master/artifacts/uploads").iterdir())

    def submit_file(self, script):
        return self.farm.submit_command("sh", "-c", script, options=["--collect", "x"])

    def test_artifact_beyond_the_limit_is_refused_before_it_is_sent(self):
        build_id = self.submit_file("truncate -s 63000000 x")
        progress = []
        for event in self.farm.events(build_id):
            if event.get("stepProgress", {}).get("phase") == "uploading":
                progress.append(event)
        build = self.farm.build(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_INFRASTRUCTURE_ERROR", build)
        self.assertRegex(build["reason"], r"x: 60\.1 MiB, the master takes at most 58\.2 MiB")
        # The next would be as large.
        self.assertEqual(build["attempt"], 1)
        self.assertFalse(build["infrastructureError"].get("transient"))
        self.assertEqual((progress, self.parts(), build.get("artifacts", [])), ([], [], []))

    def test_watcher_that_does_not_read_holds_nobody_up_and_misses_nothing(self):
        # Their peaks are to be those of this build.
        self.farm.agents["builder-1"].end()
        self.farm.master.end()
        self.farm.start_master()
        self.farm.start_agent()
        line = "0123456789" * 7 + "\n"
        script = f"yes {line.strip()} | head -c {FLOOD_BYTES}"
        build_id = self.farm.submit_command("sh", "-c", script, options=["--log-limit", "256MiB"])
        received = hashlib.sha256()
        with subprocess.Popen(
            [BIN / "rootwright", "--master", self.farm.master_address, "--json", "build", "watch", build_id],
            stdout=subprocess.PIPE, cwd=self.farm.folder,
        ) as watcher:
            try:
                watcher.stdout.readline()
                watcher.send_signal(signal.SIGSTOP)
                # It ends, and not by a limit, although one of its watchers stands still.
                build = self.farm.finish(build_id, 300)
                self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
                self.assertLess(self.farm.master.own_peak_mib(), MOST_MIB)
                self.assertLess(self.farm.agents["builder-1"].own_peak_mib(), MOST_MIB)
                watcher.send_signal(signal.SIGCONT)
                size = 0
                for chunk in self.log_chunks(watcher.stdout):
                    received.update(chunk)
                    size += len(chunk)
                self.assertEqual(watcher.wait(60), 0)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    watcher.kill()
        self.assertEqual(size, FLOOD_BYTES)
        expected = (line * (FLOOD_BYTES // len(line) + 1)).encode()[:FLOOD_BYTES]
        self.assertEqual(received.hexdigest(), hashlib.sha256(expected).hexdigest())

    @staticmethod
    def log_chunks(lines):
        """Cheaper than parsing 270 MB of JSON."""
        for line in lines:
            if b'"step":"run_command"' in line and b'"data":"' in line:
                yield base64.b64decode(line.split(b'"data":"', 1)[1].split(b'"', 1)[0])

    def test_master_killed_while_an_artifact_comes(self):
        # Not compressible, and told by the build itself.
        build_id = self.submit_file("head -c 60000000 /dev/urandom >x; sha256sum x")
        self.farm.wait_for_step(build_id, "collect_files")
        # Events come too late for this.
        wait_for("the first of its bytes", lambda: any(part.stat().st_size for part in self.parts()), 60, pause=0.001)
        self.farm.master.kill()
        self.assertEqual(len(self.parts()), 1, "it was whole already")
        self.farm.start_master()
        build = self.farm.finish(build_id, 120)
        self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_SUCCEEDED", 1), build)
        digest = self.farm.log(build_id, "run_command").split()[0]
        self.assertEqual([(a["name"], a["sha256"], a["sizeBytes"]) for a in build["artifacts"]], [("x", digest, "60000000")])
        got = self.farm.folder / "got"
        done = self.farm.cli("artifact", "get", build_id, "x", "--output", got)
        self.assertEqual(done.returncode, 0, done.stderr)
        file = next(path for path in [got, *got.rglob("*")] if path.is_file())
        self.assertEqual(hashlib.sha256(file.read_bytes()).hexdigest(), digest)
        wait_for("no part left", lambda: not self.parts())


class FarmWithASmallMaster(Farm):
    def start_master(self):
        """After libvirtd, which takes the farm's folder as it is then. The master keeps 256 MiB for itself."""
        state = self.folder / "master"
        state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=264m,mode=0755", "tmpfs", state], check=True)
        super().start_master()


class MasterOnASmallDisk(unittest.TestCase):
    def test_artifact_that_does_not_fit_is_refused_with_figures(self):
        farm = FarmWithASmallMaster(agents=())
        state = farm.folder / "master"
        with farm:
            try:
                farm.start_agent()
                build = farm.finish(farm.submit_command("truncate", "-s", "20000000", "x", options=["--collect", "x"]))
                self.assertEqual(build["outcome"], "OUTCOME_INFRASTRUCTURE_ERROR", build)
                self.assertRegex(build["reason"], r"x: 19\.1 MiB do not fit, the master's disk has [0-9.]+ MiB free")
                self.assertEqual(list((state / "artifacts/uploads").iterdir()), [])
                small = farm.finish(farm.submit_command("sh", "-c", "echo small >x", options=["--collect", "x"]))
                self.assertEqual(small["outcome"], "OUTCOME_SUCCEEDED", small)
            finally:
                for program in (*farm.agents.values(), farm.master):
                    program.end()
                farm.agents, farm.master = {}, None
                subprocess.run(["umount", state], check=True)


if __name__ == "__main__":
    unittest.main()
