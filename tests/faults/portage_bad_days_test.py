"""Builds of Portage packages that want a build root which is still being made, of which one is cancelled."""

import platform
import shutil
import unittest

from farm import SOURCE, Farm

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SPECIFICATION = "package_manager: {portage: {root_mode: separate}}\npackages: {app-misc/figlet: {}}\n"
MAKING = f"portage-{HERE}: fetch_specs (1 of "
WAITING = "waiting for the image that somebody else makes\n"


class BuildRootBeingMade(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.roots = cls.farm.folder / "roots"
        cls.farm.agent_config = f"""slots: 2
build_root_folder: "{cls.roots}"
portage {{
  repository {{ name: "rootwright-test" path: "{SOURCE}/tests/portage/repository" }}
  binary_packages {{ off: true }}
}}
"""
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    def setUp(self):
        """Two builds of one specification: the first makes the build root, the other waits for it."""
        shutil.rmtree(self.roots, ignore_errors=True)
        folder = self.farm.repository({"configuration.yml": SPECIFICATION})
        self.maker = self.submit(folder)
        self.farm.wait_for_log(self.maker, "prepare_image", MAKING)
        self.waiter = self.submit(folder)
        self.farm.wait_for_log(self.waiter, "prepare_image", WAITING)

    def submit(self, folder):
        build_id = self.farm.submit("--arch", HERE, folder)
        self.addCleanup(self.end, build_id)
        return build_id

    def end(self, build_id):
        """Also after a failure, so that the next test may take the build root away."""
        self.farm.cli("build", "cancel", build_id)
        self.farm.finish(build_id, 60)

    def cancel(self, build_id):
        """It ends at once, and nothing is left of it."""
        self.farm.cancel(build_id)
        build = self.farm.finish(build_id, 20)
        self.assertEqual(build["outcome"], "OUTCOME_CANCELLED", build)
        self.assertEqual(build["steps"][-1]["name"], "prepare_image", build)
        left = [entry for entry in self.farm.leftovers() + self.farm.containers() if build_id in entry]
        self.assertEqual(left, [])

    def expect_success(self, build_id):
        build = self.farm.finish(build_id, 800)
        self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_SUCCEEDED", 1), build)
        self.assertRegex(self.farm.log(build_id, "prepare_image"), rf"\nbuild root portage-{HERE} [0-9a-f]{{64}}\n$")

    def test_cancelled_while_it_waits_for_the_one_that_makes_it(self):
        self.cancel(self.waiter)
        self.assertEqual(self.farm.build(self.maker)["steps"][-1]["name"], "prepare_image", "it is still being made")
        self.expect_success(self.maker)
        self.assertNotIn(MAKING, self.farm.log(self.waiter, "prepare_image"))

    def test_cancelled_while_it_makes_it_leaves_that_to_the_one_that_waits(self):
        self.cancel(self.maker)
        self.expect_success(self.waiter)
        self.assertIn(MAKING, self.farm.log(self.waiter, "prepare_image"))


if __name__ == "__main__":
    unittest.main()
