"""What goes wrong on a farm, done to a real one: each time the build ends as it should, and nothing stays behind."""

import os
import re
import signal
import subprocess
import unittest

from farm import Farm, wait_for

# How long libvirt may be away in these tests, in seconds.
GRACE = 15
QUICK_LINK = ("--heartbeat", "1s", "--session-timeout", "4s", "--lease", "12s")


class AgentAndMasterLive(unittest.TestCase):
    """Faults that a running farm gets over."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config=f"libvirt_grace {{ seconds: {GRACE} }}", master_flags=QUICK_LINK)
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def start_sleeper(self, *options):
        build_id = self.farm.submit_command("sh", "-c", "echo up; sleep 600", options=options)
        self.farm.wait_for_log(build_id, "run_command", "up")
        return build_id

    def assert_nothing_left(self):
        wait_for("nothing left of the build", lambda: not self.farm.leftovers(), 40)

    def test_machine_killed_in_mid_build_is_tried_again(self):
        marker = "echo attempt; sleep 8; echo done"
        build_id = self.farm.submit_command("sh", "-c", marker)
        self.farm.wait_for_log(build_id, "run_command", "attempt")
        for pid in self.farm.machines():
            os.kill(pid, signal.SIGKILL)
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        self.assertEqual(build["attempt"], 2)
        self.assert_nothing_left()

    def test_master_killed_in_mid_build_loses_nothing(self):
        build_id = self.farm.submit_command("sh", "-c", "for i in $(seq 1 100); do echo line $i; sleep 0.1; done")
        self.farm.wait_for_log(build_id, "run_command", "line 5\n")
        self.farm.master.kill()
        self.farm.start_master()
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        self.assertEqual(build["attempt"], 1)
        lines = self.farm.log(build_id, "run_command").splitlines()
        self.assertEqual(lines, [f"line {i}" for i in range(1, 101)])

    def test_agent_killed_in_mid_build_is_cleaned_up_and_the_build_tried_again(self):
        build_id = self.farm.submit_command("sh", "-c", "echo up; sleep 15")
        self.farm.wait_for_log(build_id, "run_command", "up")
        self.farm.agents["builder-1"].kill()
        self.farm.start_agent("builder-1")
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        self.assertGreaterEqual(build["attempt"], 2)
        self.assert_nothing_left()

    def test_agent_ended_in_order_leaves_nothing(self):
        build_id = self.start_sleeper()
        self.farm.agents["builder-1"].end(60)
        self.assert_nothing_left()
        self.farm.cli("build", "cancel", build_id)
        self.farm.start_agent("builder-1")
        self.assertEqual(self.farm.finish(build_id)["outcome"], "OUTCOME_CANCELLED")

    def libvirtd_is_back(self):
        self.farm.start_libvirtd()
        # The tests after this one need it, too, also when this one fails.
        wait_for("libvirt's health", lambda: self.farm.health("libvirt") == "SERVING", 60)

    def test_libvirtd_killed_and_started_again_in_mid_build_is_no_trouble(self):
        build_id = self.farm.submit_command("sh", "-c", "echo up; sleep 8; echo done")
        self.farm.wait_for_log(build_id, "run_command", "up")
        self.farm.libvirtd.kill()
        self.libvirtd_is_back()
        build = self.farm.finish(build_id)
        self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_SUCCEEDED", 1), build)
        self.assertEqual(self.farm.log(build_id, "run_command"), "up\ndone\n")
        self.assert_nothing_left()

    def test_libvirtd_away_for_longer_than_its_grace_in_mid_build(self):
        build_id = self.start_sleeper()
        self.farm.libvirtd.kill()
        try:
            wait_for("the end of the attempt", lambda: self.farm.build(build_id)["attempt"] == 2, GRACE + 60)
            build = self.farm.build(build_id)
            # Not given out again while libvirt is away.
            self.assertEqual((build["state"], build.get("agent", "")), ("BUILD_STATE_QUEUED", ""), build)
            self.assertEqual(build["infrastructureError"]["code"], "INFRASTRUCTURE_ERROR_CODE_HYPERVISOR", build)
            self.assertIn("libvirt", build["infrastructureError"]["message"])
            self.assertTrue(build["infrastructureError"]["transient"])
            self.farm.cancel(build_id)
            # Nothing waits for libvirt to come back.
            wait_for("the machine's end", lambda: not self.farm.machines(), 40)
        finally:
            self.libvirtd_is_back()
        self.assert_nothing_left()
        after = self.farm.finish(self.farm.submit_command("uname", "-m"))
        self.assertEqual(after["outcome"], "OUTCOME_SUCCEEDED", after)

    def test_builds_wait_while_libvirtd_is_away_and_use_up_no_attempt(self):
        self.farm.libvirtd.end()
        try:
            builds = [self.farm.submit_command("true") for _ in range(2)]
            wait_for("the agent's reason", lambda: "gave it back" in self.farm.cli("build", "show", builds[0]).stdout, 30)
            self.assertIn("libvirt", self.farm.cli("build", "show", builds[0]).stdout)
            wait_for("health to say so", lambda: self.farm.health("libvirt") == "NOT_SERVING", 30)
            self.assertEqual((self.farm.health("link"), self.farm.health("disk")), ("SERVING", "SERVING"))
            # After the grace nothing is offered any more.
            wait_for("the target to go", lambda: "no agent offers target arm64" in self.farm.cli("build", "show", builds[1]).stdout, GRACE + 60)
            self.assertEqual({self.farm.build(build_id)["state"] for build_id in builds}, {"BUILD_STATE_QUEUED"})
        finally:
            self.libvirtd_is_back()
        for build_id in builds:
            build = self.farm.finish(build_id)
            self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_SUCCEEDED", 1), build)

    def test_cancel_in_every_step(self):
        # Each is cancelled when it begins. With the image ready the first two are over in milliseconds, so what
        # ends may be the boot behind them; none gets as far as the command.
        boot = ["prepare_image", "setup_environment", "reach_environment"]
        for step, ends in [
            *((step, boot[boot.index(step):]) for step in boot),
            ("run_command", ["run_command"]), ("collect_files", ["collect_files"]), ("upload_artifacts", ["upload_artifacts"]),
        ]:
            with self.subTest(step=step):
                command = "sleep 600" if step in (*boot, "run_command") else "truncate -s 1G x"
                build_id = self.farm.submit_command("sh", "-c", command, options=["--collect", "x"])
                for event in self.farm.events(build_id):
                    self.assertNotIn("buildFinished", event, f"ended before {step}: {event}")
                    if event.get("stepStarted", {}).get("step") == step:
                        break
                self.farm.cancel(build_id)
                build = self.farm.finish(build_id, 60)
                self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_CANCELLED", 1), build)
                self.assertIn(build["steps"][-1]["name"], ends)
                self.assert_nothing_left()

    def test_target_that_nobody_offers_waits_and_says_why(self):
        build_id = self.farm.submit("--command", "--arch", "riscv64", "--", "true")
        shown = self.farm.cli("build", "show", build_id)
        self.assertIn("riscv64", shown.stdout)
        self.assertIn("builder-1", shown.stdout)
        self.farm.cli("build", "cancel", build_id)
        self.assertEqual(self.farm.finish(build_id)["outcome"], "OUTCOME_CANCELLED")

    def test_label_that_nobody_has_is_named(self):
        build_id = self.farm.submit_command("true", options=["--label", "zone=moon"])
        shown = self.farm.cli("build", "show", build_id).stdout
        self.assertRegex(shown, r"zone.*moon")
        self.farm.cli("build", "cancel", build_id)

    def test_same_key_twice_is_one_build_also_over_a_new_master(self):
        options = ["--key", "nightly-42"]
        first = self.farm.submit_command("true", options=options)
        self.farm.master.kill()
        self.farm.start_master()
        self.assertEqual(self.farm.submit_command("true", options=options), first)
        self.assertEqual(self.farm.finish(first)["outcome"], "OUTCOME_SUCCEEDED")

    def test_request_beyond_its_limits_is_refused_with_the_field(self):
        refused = self.farm.cli("build", "submit", "--detach", "--command", "--arch", "arm64", "--vcpus", "99", "--", "true")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("vcpus", refused.stderr)


SPECIFICATION = """package_manager:
  apt:
    suite: bookworm

packages:
  nano: {}
"""


class InputIsAtFault(unittest.TestCase):
    """Mistakes of the user: the build fails where the mistake is, says so, and no machine is ever made."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(master_flags=["--retry-wait", "1s"])
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def submit(self, name, *options, specification=SPECIFICATION, links=()):
        repository = self.farm.repository({"configuration.yml": specification}, name, links)
        return self.farm.submit("--arch", "arm64", repository, *options)

    def assert_fails(self, build_id, step, reason):
        build = self.farm.finish(build_id)
        self.assertEqual(build["outcome"], "OUTCOME_FAILED", build)
        self.assertEqual((build["steps"][-1]["name"], build["steps"][-1]["state"]), (step, "STEP_STATE_FAILED"))
        self.assertRegex(build["reason"], reason)
        self.assertEqual(build["attempt"], 1)
        # No step that makes a machine was begun.
        self.assertFalse({"setup_environment", "reach_environment"} & {entry["name"] for entry in build["steps"]})
        self.assertEqual(self.farm.cli("build", "watch", build_id).returncode, 1)
        return build

    def test_specification_with_a_mistake_is_refused_with_line_and_column(self):
        mistakes = {
            "malformed": (SPECIFICATION + "  busybox: {\n", r"configuration\.yml:\d+:\d+: "),
            "unknown": (SPECIFICATION + "pakages: {}\n", r"configuration\.yml:7:1: .*pakages"),
            "type": (SPECIFICATION.replace("nano: {}", "nano: 3"), r"configuration\.yml:6:9: .*nano"),
        }
        for name, (text, reason) in mistakes.items():
            with self.subTest(name):
                build_id = self.submit(name, specification=text)
                self.assert_fails(build_id, "parse_packages", reason)
                self.assertRegex(self.farm.log(build_id, "parse_packages"), reason)

    def test_unknown_package_is_named_with_its_place(self):
        build_id = self.submit("package", specification=SPECIFICATION + "  nanoo: {}\n")
        self.assert_fails(build_id, "translate_packages", r"configuration\.yml:7:3: nanoo: no such package in bookworm")

    def test_unknown_suite_and_component_are_named(self):
        build_id = self.submit("suite", specification=SPECIFICATION.replace("bookworm", "bookwurm"))
        self.assert_fails(build_id, "translate_packages", "configuration.yml.*bookwurm")
        component = SPECIFICATION.replace("suite: bookworm", "suite: bookworm\n    components: [main, universe]")
        build_id = self.submit("component", specification=component)
        self.assert_fails(build_id, "translate_packages", "configuration.yml.*universe")

    def test_missing_repository_ref_and_path_are_named(self):
        missing = self.farm.submit("--arch", "arm64", f"file://{self.farm.folder}/repositories/nowhere")
        self.assert_fails(missing, "fetch_specs", "nowhere: no such repository")
        self.assert_fails(self.submit("good", "--ref", "v9"), "fetch_specs", "no such branch, tag or commit: 'v9'")
        self.assert_fails(self.submit("good", "--path", "boards/x"), "fetch_specs", "no such folder: 'boards/x'")

    def test_path_that_leaves_the_repository_is_not_admitted(self):
        repository = self.farm.repository({"configuration.yml": SPECIFICATION}, "good")
        for path in ("../other", "/etc"):
            refused = self.farm.cli("build", "submit", "--detach", "--arch", "arm64", "--path", path, repository)
            self.assertEqual(refused.returncode, 2, refused.stdout + refused.stderr)
            self.assertIn("path", refused.stderr)

    def test_overlay_that_leaves_the_root_is_refused(self):
        climbing = self.submit("climbing", links=[("post_install_overlay/etc/x", "../../outside")])
        self.assert_fails(climbing, "parse_packages", "post_install_overlay/etc/x: the link leaves the root")
        linked = self.submit("linked", links=[("pre_install_overlay", "/etc")])
        self.assert_fails(linked, "parse_packages", "pre_install_overlay")

    def test_guest_that_never_answers_is_an_infrastructure_error_with_its_console(self):
        # No machine is up in so short a time.
        build = self.farm.finish(self.farm.submit_command("true", options=["--boot", "100ms"]))
        self.assertEqual(build["outcome"], "OUTCOME_INFRASTRUCTURE_ERROR", build)
        error = build["infrastructureError"]
        self.assertEqual(error["code"], "INFRASTRUCTURE_ERROR_CODE_GUEST")
        self.assertIn("boot limit", build["reason"])
        self.assertIn("console", error["message"] + error.get("detail", ""))
        self.assertTrue(error.get("detail"), error)
        self.assertEqual(build["steps"][-1]["name"], "reach_environment")
        # Tried again, as it could be this host; but not for ever.
        self.assertEqual(build["attempt"], 3)
        wait_for("nothing left of the build", lambda: not self.farm.leftovers(), 40)


class HostIsAtFault(unittest.TestCase):
    def test_disk_too_small_is_refused_first_with_figures(self):
        farm = Farm(agents=())
        with farm:
            small = farm.folder / "builder-1"
            small.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,mode=0755", "tmpfs", small], check=True)
            try:
                farm.start_agent("builder-1", wait=False)
                build_id = farm.submit_command("true", options=["--disk", "4GiB"])

                why = r"builder-1.* has \d+ MiB of disk free, the build asks for 4096 MiB"
                wait_for("the reason", lambda: re.search(why, farm.cli("build", "show", build_id).stdout), 60)
                build = farm.build(build_id)
                self.assertEqual((build["state"], build.get("attempt", 1)), ("BUILD_STATE_QUEUED", 1), build)
                self.assertEqual(farm.machines(), [])
            finally:
                farm.cli("build", "cancel", build_id)
                farm.agents["builder-1"].end()
                del farm.agents["builder-1"]
                subprocess.run(["umount", small], check=True)

    def test_agent_that_starts_before_libvirtd_offers_its_targets_later(self):
        farm = Farm(agents=())
        with farm:
            farm.libvirtd.end()
            farm.start_agent("builder-1")
            self.assertEqual(farm.health("libvirt"), "NOT_SERVING")
            build_id = farm.submit_command("uname", "-m")
            self.assertIn("no agent offers target arm64", farm.cli("build", "show", build_id).stdout)
            farm.start_libvirtd()
            build = farm.finish(build_id)
            self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
            self.assertEqual(farm.health("libvirt"), "SERVING")


if __name__ == "__main__":
    unittest.main()
