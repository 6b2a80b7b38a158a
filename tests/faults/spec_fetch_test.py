"""`rootwright spec check URL` against a server that takes the connection and then says nothing."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import unittest

PROGRAM = pathlib.Path(os.environ["ROOTWRIGHT_BIN"]) / "rootwright"


class SilentServer(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.folder = tempfile.TemporaryDirectory(prefix="rootwright-spec-fetch-")
        self.addCleanup(self.folder.cleanup)
        url = f"http://127.0.0.1:{self.server.getsockname()[1]}/specs#arm64_gateway"
        self.check = subprocess.Popen(
            [PROGRAM, "spec", "check", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": self.folder.name},
        )
        self.addCleanup(self.end)

    def end(self):
        self.check.kill()
        self.check.communicate()

    def assert_ended_by(self, number):
        # It says what it waits for; by then it is in the midst of it.
        self.assertRegex(self.check.stderr.readline(), r"^Fetching http://127\.0\.0\.1:\d+/specs … \d+ s$")
        self.assertNotEqual(os.listdir(self.folder.name), [])
        self.check.send_signal(number)
        out, error = self.check.communicate(timeout=60)
        self.assertEqual(self.check.returncode, 130, error)
        self.assertEqual(out, "")
        self.assertEqual(os.listdir(self.folder.name), [], "what was fetched is left behind")

    def test_ctrl_c_ends_it_and_leaves_nothing(self):
        self.assert_ended_by(signal.SIGINT)

    def test_sigterm_ends_it_and_leaves_nothing(self):
        self.assert_ended_by(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
