"""Root filesystems of Gentoo packages in containers of the host's own architecture, through master and agent."""

import platform
import subprocess
import unittest

from farm import CACHE, SOURCE, Farm

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


class PortageBuild(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm(agent_config=f"""build_root_folder: "{CACHE}/roots"
distfile_folder: "{CACHE}/distfiles"
portage_specification: "{CACHE}/portage/specification"
portage {{ repository {{ name: "rootwright-test" path: "{SOURCE}/tests/portage/repository" }} }}
""")
        # Portage itself comes from pip's index.
        specification = CACHE / "portage/specification"
        if not specification.exists():
            subprocess.run([SOURCE / "images/portage/make-specification", specification], check=True)
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def build(self, name, configuration, *options):
        folder = self.farm.repository({"configuration.yml": configuration}, name)
        return self.farm.finish(self.farm.submit(folder, "--arch", HERE, *options), 1500)

    def test_a_lean_product(self):
        build = self.build("lean", "package_manager: {portage: {root_mode: separate}}\npackages: {dev-libs/popt: {}}\n")
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        names = {artifact["name"] for artifact in build["artifacts"]}
        self.assertEqual(names, {"rootfs.tar.zst", "manifest.json", "plan.json", "SHA256SUMS"})
        steps = [step["name"] for step in build["steps"]]
        self.assertLess(steps.index("reach_environment"), steps.index("translate_packages"))

    def test_a_package_that_fails_leaves_its_log_as_an_artifact(self):
        build = self.build(
            "fails", "package_manager: {portage: {root_mode: separate}}\npackages: {app-test/fails-to-compile: {}}\n"
        )
        self.assertEqual(build["outcome"], "OUTCOME_FAILED", build)
        self.assertIn("app-test/fails-to-compile-1 did not compile", build["reason"])
        self.assertEqual(
            {artifact["name"] for artifact in build["artifacts"]}, {"plan.json", "app-test_fails-to-compile-1.log"}
        )

    def test_what_portage_refuses_is_told_with_its_place(self):
        build = self.build("masked", "packages:\n  app-test/masked: {}\n")
        self.assertEqual(build["outcome"], "OUTCOME_FAILED", build)
        self.assertIn("configuration.yml:2:3: app-test/masked: every version that fits is masked", build["reason"])
        plan = next(artifact for artifact in build["artifacts"] if artifact["name"] == "plan.json")
        self.assertGreater(int(plan["sizeBytes"]), 0)


if __name__ == "__main__":
    unittest.main()
