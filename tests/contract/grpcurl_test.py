"""What an admin sees with grpcurl: every service of agent and master is listed, described and called."""

import hashlib
import json
import subprocess
import unittest

from farm import Farm, grpcurl_program


class Grpcurl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grpcurl = grpcurl_program()
        cls.farm = Farm()
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def run_grpcurl(self, address, *words, data=None, check=True):
        argv = [self.grpcurl, "-plaintext", "-max-time", "20"]
        if data is not None:
            argv += ["-d", json.dumps(data)]
        done = subprocess.run([*argv, address, *words], capture_output=True, text=True, check=False, timeout=60)
        if check:
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done

    def call(self, address, method, data=None):
        return json.loads(self.run_grpcurl(address, method, data=data or {}).stdout or "{}")

    def assert_all_described(self, address, wanted):
        listed = self.run_grpcurl(address, "list").stdout.split()
        self.assertLessEqual(set(wanted), set(listed))
        for service in listed:
            described = self.run_grpcurl(address, "describe", service).stdout
            self.assertIn("rpc ", described, service)
            for line in described.splitlines():
                if "rpc " in line:
                    for name in line.replace("(", " ").replace(")", " ").split():
                        if name.startswith("."):
                            self.assertIn("message", self.run_grpcurl(address, "describe", name[1:]).stdout)

    def assert_channelz_tells_of(self, address):
        """The one server of the process, with the calls that it has seen."""
        servers = self.call(address, "grpc.channelz.v1.Channelz/GetServers")["server"]
        self.assertEqual(len(servers), 1, servers)
        self.assertGreater(int(servers[0]["data"]["calls_started"]), 0)

    def test_agent(self):
        address = self.farm.admin_address()
        self.assert_all_described(
            address,
            ["grpc.health.v1.Health", "rootwright.v1.AgentAdminService", "rootwright.v1.ImageService",
             "grpc.reflection.v1alpha.ServerReflection",
             "grpc.channelz.v1.Channelz"],
        )
        self.assert_channelz_tells_of(address)
        for part in ("", "link", "libvirt", "disk"):
            health = self.call(address, "grpc.health.v1.Health/Check", {"service": part})
            self.assertEqual(health["status"], "SERVING", part)
        unknown = self.run_grpcurl(address, "grpc.health.v1.Health/Check", data={"service": "tea"}, check=False)
        self.assertIn("NotFound", unknown.stderr)
        admin = "rootwright.v1.AgentAdminService"
        status = self.call(address, f"{admin}/GetStatus")
        self.assertEqual((status["name"], status["linked"]), ("builder-1", True))
        self.assertTrue(any(t["architecture"] == "ARCHITECTURE_ARM64" for t in status["capabilities"]["targets"]))
        self.assertTrue(status["checks"])
        self.assertEqual(self.call(address, f"{admin}/ListAgentBuilds").get("builds", []), [])
        self.assertIsInstance(self.call(address, "rootwright.v1.ImageService/ListImages").get("images", []), list)
        refused = self.run_grpcurl(address, "rootwright.v1.ImageService/ImportImage", data={"data": "eA=="}, check=False)
        self.assertIn("the first message must be a header", refused.stderr)
        self.call(address, f"{admin}/Drain", {"reason": "new disk"})
        self.assertEqual(self.call(address, f"{admin}/GetStatus")["state"], "AGENT_STATE_DRAINING")
        self.call(address, f"{admin}/Resume")
        self.assertEqual(self.call(address, f"{admin}/GetStatus")["state"], "AGENT_STATE_READY")
        missing = self.run_grpcurl(address, f"{admin}/CancelAgentBuild", data={"buildId": "00000000"}, check=False)
        self.assertIn("NotFound", missing.stderr)

    def test_master(self):
        address = self.farm.master_address
        self.assert_all_described(
            address,
            ["grpc.health.v1.Health", "rootwright.v1.AgentLinkService", "rootwright.v1.BuildService",
             "rootwright.v1.FleetService", "grpc.reflection.v1alpha.ServerReflection", "grpc.channelz.v1.Channelz"],
        )
        self.assert_channelz_tells_of(address)
        self.assertEqual(self.call(address, "grpc.health.v1.Health/Check")["status"], "SERVING")
        fleet, builds = "rootwright.v1.FleetService", "rootwright.v1.BuildService"
        self.assertEqual(self.call(address, f"{fleet}/ListAgents")["agents"][0]["name"], "builder-1")
        self.assertEqual(self.call(address, f"{fleet}/GetAgent", {"name": "builder-1"})["agent"]["version"], "0.1.0")
        self.call(address, f"{fleet}/DrainAgent", {"name": "builder-1", "reason": "test"})
        request = {"target": {"architecture": "ARCHITECTURE_ARM64"}, "command": {"argv": ["true"]}}
        build = self.call(address, f"{builds}/SubmitBuild", {"request": request})["build"]
        explained = self.call(address, f"{fleet}/ExplainPending", {"buildId": build["id"]})
        self.assertEqual(explained["agents"][0]["reasons"][0]["kind"], "KIND_DRAINED")
        self.call(address, f"{fleet}/ResumeAgent", {"name": "builder-1"})
        watched = self.run_grpcurl(address, f"{builds}/WatchBuild", data={"buildId": build["id"]}).stdout
        self.assertIn("build_finished", watched)
        self.assertEqual(
            self.call(address, f"{builds}/GetBuild", {"buildId": build["id"]})["build"]["outcome"], "OUTCOME_SUCCEEDED"
        )
        self.assertEqual(self.call(address, f"{builds}/ListBuilds")["builds"][0]["id"], build["id"])
        self.call(address, f"{builds}/ListArtifacts", {"buildId": build["id"]})
        self.run_grpcurl(address, f"{builds}/ReadLog", data={"buildId": build["id"], "step": "run_command"})
        self.assertTrue(self.call(address, f"{builds}/CancelBuild", {"buildId": build["id"]})["already_finished"])
        absent = self.run_grpcurl(address, f"{builds}/ReadArtifact", data={"buildId": build["id"], "name": "x"}, check=False)
        self.assertIn("NotFound", absent.stderr)
        refused = self.run_grpcurl(address, f"{builds}/SubmitBuild", data={"request": {}}, check=False)
        self.assertIn("InvalidArgument", refused.stderr)
        self.assertIn("request.target", refused.stderr)
        link = "rootwright.v1.AgentLinkService"
        claim = {"buildId": build["id"], "leaseId": "x",
                 "artifact": {"name": "x", "sizeBytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}}
        for method in ("QueryArtifact", "UploadArtifact"):
            stranger = self.run_grpcurl(address, f"{link}/{method}", data=claim, check=False)
            self.assertIn("PermissionDenied", stranger.stderr, method)
        rude = self.run_grpcurl(address, f"{link}/Attach", data={"heartbeat": {}}, check=False)
        self.assertIn("must be Register", rude.stderr)


if __name__ == "__main__":
    unittest.main()
