"""A machine whose root means no good: it takes the guest program's end of the channel and speaks in its place.

Each time the build ends as it should and within its limits, the agent stays small and takes the next build, and nothing
stays behind.
"""

import unittest

from farm import Farm, wait_for

# The agent's peak, whatever the machines of three builds send: it has 37 MiB when it has nothing to do.
MOST_AGENT_MIB = 64

# Takes process 1's descriptor of the port by pidfd_open and pidfd_getfd; executors/guest/frame.h and protocol.h have the
# layout of what it sends. Request 1 and the like are long over; $request is the one under way, or one near it.
TAKE = r"""
use strict; use integer;
my ($number) = map { m{/(\d+)$} } grep { (readlink($_) // "") =~ m{^/dev/vport} } glob "/proc/1/fd/*";
my $process = syscall(434, 1, 0);
my $fd = syscall(438, $process, $number + 0, 0);
die "no port: $!" if $fd < 0;
open(my $port, "+<&=", $fd) or die "open: $!";
binmode $port;
sub check { my $hash = 2166136261; $hash = (($hash ^ $_) * 16777619) & 0xffffffff for unpack "C*", $_[0]; $hash }
sub head { my ($type, $length) = @_; my $h = "RWG1" . pack("v v V", $type, 0, $length); $h . pack("V", check($h)) }
sub frame { my ($type, $payload) = @_; head($type, length $payload) . $payload }
sub put { my $rest = shift; while (length $rest) { my $n = syswrite $port, $rest; substr($rest, 0, $n // 0) = ""; } }
print STDERR "port taken\n";
select undef, undef, undef, 0.3;
"""
OUTPUT, PONG = 6, 3
READ_ALL_AWAY = "my $gone; while (1) { sysread $port, $gone, 65536; select undef, undef, undef, 0.001 }"
# What is put on the channel → how it may end. A flood may also break into a frame of process 1's own.
DEEDS = {
    "garbage": ("put(join '', map { chr int rand 256 } 1 .. 65536) while 1;", {"INFRASTRUCTURE_ERROR"}),
    "a huge length": (f"put(head({OUTPUT}, 0xffffffff) . 'x' x 65536) while 1;", {"INFRASTRUCTURE_ERROR"}),
    "a frame that never ends": (
        f"put(head({OUTPUT}, 262144)); while (1) {{ put('x'); select undef, undef, undef, 0.2 }}",
        {"TIMED_OUT", "INFRASTRUCTURE_ERROR"},
    ),
    "answers to nothing": (
        f"my $all = frame({PONG}, pack 'V V', 0, 0) x 4000; put($all) while 1;", {"TIMED_OUT", "INFRASTRUCTURE_ERROR"},
    ),
    # Of every request that may be under way: all but one are stale, and that one is not paid for with credit.
    "output without end": (
        f"my $data = 'f' x 60000; while (1) {{ put(frame({OUTPUT}, pack('V C V', $_, 1, length $data) . $data)) for 1 .. 12 }}",
        {"TIMED_OUT", "INFRASTRUCTURE_ERROR"},
    ),
    # Process 1 does not even hear of the signal at the limit.
    "deafness": (READ_ALL_AWAY, {"TIMED_OUT"}),
}


class HostileGuest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Most of them wait for their limits: side by side that takes no longer.
        cls.farm = Farm(agent_config="slots: 3")
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def submit(self, script, wall):
        options = ["--wall", wall, "--log-limit", "1MiB"]
        return self.farm.submit_command("perl", "-e", TAKE + script, options=options)

    def assert_unharmed(self):
        wait_for("nothing left of the builds", lambda: not self.farm.leftovers(), 40)
        self.assertLess(self.farm.agents["builder-1"].own_peak_mib(), MOST_AGENT_MIB)
        after = self.farm.finish(self.farm.submit_command("true"))
        self.assertEqual(after["outcome"], "OUTCOME_SUCCEEDED", after)

    def test_each_deed_ends_its_own_build_only(self):
        builds = {deed: self.submit(script, "8s") for deed, (script, _) in DEEDS.items()}
        for deed, build_id in builds.items():
            with self.subTest(deed):
                build = self.farm.finish(build_id, 240)
                self.assertIn(build["outcome"].removeprefix("OUTCOME_"), DEEDS[deed][1], build)
                self.assertEqual(build["steps"][-1]["name"], "run_command", build)
                self.assertLessEqual(sum(int(step.get("logBytes", 0)) for step in build["steps"]), 1 << 20)
                if build["outcome"] == "OUTCOME_INFRASTRUCTURE_ERROR":
                    self.assertEqual(build["infrastructureError"]["code"], "INFRASTRUCTURE_ERROR_CODE_GUEST")
                    self.assertIn("guest", build["reason"])
                else:
                    self.assertIn("wall limit", build["reason"])
        self.assert_unharmed()

    def test_cancel_of_a_machine_that_does_not_hear(self):
        build_id = self.submit(READ_ALL_AWAY, "10m")
        self.farm.wait_for_log(build_id, "run_command", "port taken")
        self.farm.cancel(build_id)
        self.assertEqual(self.farm.finish(build_id, 120)["outcome"], "OUTCOME_CANCELLED")
        self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()
