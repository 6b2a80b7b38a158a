"""Commands in a real arm64 machine, from the command line to the collected file."""

import hashlib
import json
import pathlib
import time
import unittest

from farm import CACHE, Farm, wait_for


def image_digests():
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in pathlib.Path(CACHE / "images").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


class CommandBuild(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config="slots: 2")
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def test_runs_in_a_foreign_machine_and_returns_files(self):
        out = self.farm.folder / "out-files"
        done = self.farm.cli(
            "build", "submit", "--command", "--arch", "arm64", "--collect", "result.txt", "--output", out, "--log",
            "--env", "GREETING=hello there", "--", "sh", "-c", 'uname -m; echo "$GREETING" >result.txt; echo oops >&2',
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("aarch64", done.stdout)
        self.assertIn("oops", done.stdout + done.stderr)
        found = list(out.rglob("result.txt"))
        self.assertEqual([path.read_text() for path in found], ["hello there\n"])

    def test_failing_command_fails_the_build_with_its_exit_code(self):
        build = self.farm.finish(self.farm.submit_command("sh", "-c", "echo before; exit 7", options=["--collect", "x"]))
        self.assertEqual(build["outcome"], "OUTCOME_FAILED")
        step = build["steps"][-1]
        self.assertEqual((step["name"], step["state"], step["exitCode"]), ("run_command", "STEP_STATE_FAILED", 7))
        self.assertIn("before", self.farm.log(build["id"], "run_command"))
        self.assertEqual(self.farm.cli("build", "watch", build["id"]).returncode, 1)

    def test_file_that_is_missing_after_success_fails_the_build(self):
        build = self.farm.finish(self.farm.submit_command("true", options=["--collect", "nothing-here"]))
        self.assertEqual(build["outcome"], "OUTCOME_FAILED")
        self.assertIn("nothing-here", build["reason"])

    def test_killed_command_tells_its_signal(self):
        build = self.farm.finish(self.farm.submit_command("sh", "-c", "kill -SEGV $$"))
        self.assertEqual(build["steps"][-1]["signal"], 11)

    def test_files_of_a_repository_are_there(self):
        repository = self.farm.repository({"tool.sh": "echo from the repository\n", "sub/x": "y\n"}, "tool")
        done = self.farm.cli("build", "submit", repository, "--command", "--arch", "arm64", "--log", "--no-download", "--",
                             "sh", "-c", "sh tool.sh; cat sub/x")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("from the repository", done.stdout)

    def test_output_arrives_while_the_command_runs(self):
        build_id = self.farm.submit_command("sh", "-c", "echo first; sleep 300")
        self.farm.wait_for_log(build_id, "run_command", "first")
        self.assertEqual(self.farm.build(build_id)["state"], "BUILD_STATE_RUNNING")
        self.assertEqual(self.farm.cli("build", "cancel", build_id).returncode, 0)
        self.assertEqual(self.farm.finish(build_id)["outcome"], "OUTCOME_CANCELLED")
        wait_for("nothing left of it", lambda: not self.farm.leftovers(), 30)

    def test_wall_limit_ends_it(self):
        build = self.farm.finish(self.farm.submit_command("sleep", "300", options=["--wall", "4s"]))
        self.assertEqual(build["outcome"], "OUTCOME_TIMED_OUT")
        self.assertIn("wall", build["reason"])

    def test_silence_limit_ends_what_neither_speaks_nor_works(self):
        build = self.farm.finish(self.farm.submit_command("sleep", "300", options=["--silence", "4s"]))
        self.assertEqual(build["outcome"], "OUTCOME_TIMED_OUT")
        self.assertIn("silen", build["reason"])

    def test_flood_is_cut_at_the_log_limit_and_the_build_goes_on(self):
        build = self.farm.finish(
            self.farm.submit_command("sh", "-c", "yes | head -c 20000000; echo end >&2", options=["--log-limit", "1MiB"])
        )
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        step = next(entry for entry in build["steps"] if entry["name"] == "run_command")
        self.assertLessEqual(int(step["logBytes"]), 1 << 20)
        events = self.farm.cli("--json", "build", "watch", build["id"]).stdout.splitlines()
        omitted = [json.loads(line).get("event", {}).get("logChunk", {}).get("omittedBytes") for line in events]
        self.assertTrue(any(omitted), "no event states what was left out")

    def test_base_image_is_never_written_to(self):
        before = image_digests()
        self.farm.finish(self.farm.submit_command("sh", "-c", "rm -rf /usr/share; echo x >/etc/passwd; sync"))
        self.assertEqual(image_digests(), before)
        build = self.farm.finish(self.farm.submit_command("sh", "-c", "test -d /usr/share && grep -q root /etc/passwd"))
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED")

    def test_two_builds_run_side_by_side(self):
        first = self.farm.submit_command("sh", "-c", "echo up; sleep 300")
        self.farm.wait_for_log(first, "run_command", "up")
        second = self.farm.finish(self.farm.submit_command("uname", "-m"))
        self.assertEqual(second["outcome"], "OUTCOME_SUCCEEDED")
        self.assertEqual(self.farm.build(first)["state"], "BUILD_STATE_RUNNING")
        self.farm.cli("build", "cancel", first)
        self.assertEqual(self.farm.finish(first)["outcome"], "OUTCOME_CANCELLED")

    def test_same_key_gives_the_same_build(self):
        options = ["--key", f"once-{time.time()}"]
        first = self.farm.submit_command("true", options=options)
        self.assertEqual(self.farm.submit_command("true", options=options), first)
        differing = self.farm.cli("build", "submit", "--detach", "--command", "--arch", "arm64", *options, "--", "false")
        self.assertEqual(differing.returncode, 2, differing.stderr)
        self.assertEqual(self.farm.finish(first)["outcome"], "OUTCOME_SUCCEEDED")

    def test_guest_has_no_network(self):
        build = self.farm.finish(self.farm.submit_command("sh", "-c", "ls /sys/class/net"))
        self.assertEqual(self.farm.log(build["id"], "run_command").split(), ["lo"])


if __name__ == "__main__":
    unittest.main()
