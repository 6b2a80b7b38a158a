"""Commands in containers of the host's own architecture, through master and agent."""

import pathlib
import platform
import subprocess
import unittest

from farm import Farm, wait_for

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def control_groups(name):
    return [str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob(f"*{name}*")]


def has_way_out():
    return any(line.split()[1] == "00000000" for line in pathlib.Path("/proc/net/route").read_text().splitlines())


def children(pid, prefix):
    listed = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [line.split()[0] for line in listed.stdout.splitlines() if line.split()[1].startswith(prefix)]


class ContainerBuild(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config="slots: 2")
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def submit(self, *argv, options=()):
        return self.farm.submit("--command", "--arch", HERE, *options, "--", *argv)

    def expect_nothing_left(self, build_id):
        left = lambda: self.farm.leftovers() + self.farm.containers() + self.farm.mounts()
        wait_for(f"nothing left of it; there is {left()}", lambda: not left(), 30)
        self.assertEqual(control_groups(build_id), [])

    def test_auto_takes_a_container_and_returns_files(self):
        out = self.farm.folder / "out-files"
        done = self.farm.cli(
            "build", "submit", "--command", "--arch", HERE, "--collect", "result.txt", "--output", out, "--log",
            "--", "sh", "-c", "uname -m; id -u; echo made >result.txt; tr '\\0' ' ' </proc/1/cmdline",
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{platform.machine()}\n", done.stdout)
        self.assertIn("rootwright-guest --fds 3 4", done.stdout)
        self.assertEqual([path.read_text() for path in out.rglob("result.txt")], ["made\n"])
        self.assertEqual((self.farm.containers(), self.farm.mounts()), ([], []))

    def test_cancelled_one_leaves_nothing(self):
        build_id = self.submit("sh", "-c", "setsid sleep 300 & echo up; sleep 300")
        self.farm.wait_for_log(build_id, "run_command", "up")
        self.assertEqual(len(self.farm.containers()), 1)
        self.assertEqual(len(self.farm.mounts()), 1)
        self.assertEqual(self.farm.cli("build", "cancel", build_id).returncode, 0)
        self.assertEqual(self.farm.finish(build_id)["outcome"], "OUTCOME_CANCELLED")
        self.expect_nothing_left(build_id)

    def test_full_memory_and_too_many_processes_are_named(self):
        build = self.farm.finish(
            self.submit("perl", "-e", "$x = 'x' x (512 << 20)", options=["--memory", "128MiB"])
        )
        self.assertEqual(build["outcome"], "OUTCOME_FAILED")
        self.assertIn("the memory limit of 128.0 MiB was reached", build["reason"])

    def test_full_disk_ends_it_and_is_named(self):
        build = self.farm.finish(
            self.submit("sh", "-c", "head -c 300M /dev/zero >/fill; sleep 300", options=["--disk", "100MiB"])
        )
        self.assertEqual(build["outcome"], "OUTCOME_FAILED")
        self.assertIn("disk limit of 100.0 MiB reached", build["reason"])
        self.expect_nothing_left(build["id"])

    def test_silence_limit_ends_what_neither_speaks_nor_works(self):
        build = self.farm.finish(self.submit("sleep", "300", options=["--silence", "4s"]))
        self.assertEqual(build["outcome"], "OUTCOME_TIMED_OUT")
        self.assertIn("silen", build["reason"])

    def test_killed_agent_takes_its_container_with_it_and_the_next_one_cleans_up(self):
        build_id = self.submit("sh", "-c", "echo up; sleep 300")
        self.farm.wait_for_log(build_id, "run_command", "up")
        self.farm.agents["builder-1"].kill()
        # Its guest's connection ended with the agent.
        wait_for("the container's end", lambda: not self.farm.containers(), 30)
        self.assertEqual(len(self.farm.mounts()), 1)
        self.farm.start_agent()
        self.assertEqual(self.farm.mounts(), [])
        self.farm.cli("build", "cancel", build_id)
        self.farm.finish(build_id)
        self.expect_nothing_left(build_id)

    def test_network_is_there_for_the_asking_alone_and_goes_with_the_build(self):
        if not has_way_out():
            self.skipTest("this host has no IPv4 default route, which passt needs")
        show = ("sh", "-c", "sed '1,2d; s/:.*//' /proc/net/dev; cat /etc/resolv.conf; echo up; sleep 300")
        agent = self.farm.agents["builder-1"].pid
        plain = self.submit(*show)
        out = self.submit(*show, options=["--network", "outbound"])
        for build_id in (plain, out):
            self.farm.wait_for_log(build_id, "run_command", "up")
        logs = [self.farm.cli("build", "log", build_id, "run_command").stdout.split() for build_id in (plain, out)]
        self.assertEqual(logs[0], ["lo", "up"])
        self.assertEqual(sorted(logs[1]), ["10.0.2.3", "eth0", "lo", "nameserver", "up"])
        self.assertEqual(len(children(agent, "pas")), 1)
        for build_id in (plain, out):
            self.farm.cli("build", "cancel", build_id)
            self.farm.finish(build_id)
        self.assertEqual(children(agent, "pas"), [])

    def test_way_out_ends_with_an_agent_that_is_killed(self):
        if not has_way_out():
            self.skipTest("this host has no IPv4 default route, which passt needs")
        build_id = self.submit("sh", "-c", "echo up; sleep 300", options=["--network", "outbound"])
        self.farm.wait_for_log(build_id, "run_command", "up")
        (pasta,) = children(self.farm.agents["builder-1"].pid, "pas")
        self.farm.agents["builder-1"].kill()
        wait_for("pasta's end", lambda: not pathlib.Path(f"/proc/{pasta}/exe").exists(), 10)
        self.farm.start_agent()
        self.farm.cli("build", "cancel", build_id)
        self.farm.finish(build_id)
        self.expect_nothing_left(build_id)

    def test_agent_that_was_killed_starts_without_libvirt(self):
        build_id = self.submit("sh", "-c", "echo up; sleep 300")
        self.farm.wait_for_log(build_id, "run_command", "up")
        self.farm.agents["builder-1"].kill()
        self.farm.libvirtd.kill()
        self.farm.start_agent(wait=False)
        wait_for("no mount", lambda: not self.farm.mounts(), 30)
        self.farm.start_libvirtd()
        wait_for("agent ready", lambda: self.farm.agent_state("builder-1") == "AGENT_STATE_READY", 90)
        self.farm.cli("build", "cancel", build_id)
        self.farm.finish(build_id)
        again = self.farm.finish(self.submit("true"))
        self.assertEqual(again["outcome"], "OUTCOME_SUCCEEDED")
        self.expect_nothing_left(build_id)

    def test_root_filesystem_of_the_hosts_own_architecture_has_its_owners(self):
        repository = self.farm.repository(
            {"configuration.yml": "package_manager:\n  apt:\n    suite: bookworm\n    components: [main]\n"
             "packages:\n  busybox: {}\npost_install_commands:\n  - install -o 7 -g 8 -m 4750 /bin/true /usr/bin/made\n"},
            "native",
        )
        out = self.farm.folder / "out-root"
        done = self.farm.cli("build", "submit", repository, "--arch", HERE, "--disk", "3GiB", "--output", out)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("container, ", self.farm.newest_build()["steps"][5]["summary"])
        archive = next(out.rglob("rootfs.tar.zst"))
        listed = subprocess.run(
            ["tar", "--numeric-owner", "-tvf", archive], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        owners = {line.split()[5].lstrip("./"): line.split()[:2] for line in listed}
        self.assertEqual(owners["usr/bin/made"], ["-rwsr-x---", "7/8"])
        self.assertEqual(owners["etc/shadow"], ["-rw-r-----", "0/42"])
        self.assertEqual({owner for _, owner in owners.values() if int(owner.split("/")[0]) > 65535}, set())

    def test_doctor_shows_containers(self):
        shown = self.farm.cli("doctor", "--config", self.farm.folder / "builder-1.textproto")
        self.assertIn("a test container started", shown.stdout, shown.stdout + shown.stderr)
        self.assertIn(f"{HERE} (container)", shown.stdout)


if __name__ == "__main__":
    unittest.main()
