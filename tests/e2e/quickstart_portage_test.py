"""ci/quickstart with its examples of Portage packages, from an empty state to programs of the product."""

import json
import re
import subprocess
import unittest

from farm import CACHE
from quickstart_test import LONG_CEILING, TOOK, Stage

# Portage makes its plan in the environment, so that comes first.
STEPS = [
    "fetch_specs", "parse_packages", "prepare_image", "setup_environment", "reach_environment", "translate_packages",
    "pre_install", "install_packages", "post_install", "clean_up", "archive_rootfs", "pack_rootfs", "upload_artifacts",
]
# In an ELF file's header.
MACHINES = {"amd64": 62, "arm64": 183}


class PortageStage(Stage):
    def build(self, example, architecture, seconds):
        """The folder in which the product is unpacked."""
        run = self.start(example)
        self.assertEqual(run.finish(seconds), 0, run.text[-3000:])
        self.assert_shown(f"^Rootwright quickstart: {architecture}-portage", run.text)
        self.assert_shown(rf"✓ build root +portage-{architecture} sha256:[0-9a-f]{{8}}… +(made|reused) +{TOOK}", run.text)
        last = run.text[run.text.rindex(f"✓ {STEPS[0]} "):]
        for step in STEPS:
            self.assert_shown(rf"✓ {step} +{TOOK}", last)
        (results,) = self.output.iterdir()
        manifest = json.loads((results / "manifest.json").read_text())
        self.assertEqual(int(re.search(r"(\d+) packages, listed with their versions in", run.text)[1]), len(manifest["packages"]))
        product = self.folder / "product"
        product.mkdir()
        subprocess.run(["tar", "-xf", results / "rootfs.tar.zst", "-C", product], check=True)
        for program in ("usr/bin/figlet",):
            header = (product / program).read_bytes()[:20]
            self.assertEqual((header[:4], header[18]), (b"\x7fELF", MACHINES[architecture]), program)
        self.assert_nothing_left()
        return product


class Native(PortageStage):
    def test_programs_of_the_product_run_on_this_host(self):
        product = self.build("native", "amd64", LONG_CEILING)
        said = subprocess.run(["chroot", product, "/usr/bin/hello"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(said, "Hello, world!\n")
        self.assertTrue((product / "usr/lib/libcjson.a").exists() or [*product.glob("usr/lib*/libcjson.a")], "USE=static-libs")
        self.assertFalse((product / "etc/cron.daily/logrotate").exists(), "USE=-cron")


class Foreign(PortageStage):
    def test_packages_are_compiled_in_the_machine(self):
        # All of the cache but what earlier builds compiled.
        cache = self.folder / "cache"
        cache.mkdir()
        for part in ("images", "packages", "roots", "distfiles"):
            (CACHE / part).mkdir(parents=True, exist_ok=True)
            (cache / part).symlink_to(CACHE / part)
        self.environment["ROOTWRIGHT_CACHE"] = str(cache)
        self.build("portage-arm64", "arm64", 3 * LONG_CEILING)
        (manifest,) = self.output.glob("*/manifest.json")
        origins = {package["name"]: package["from"] for package in json.loads(manifest.read_text())["packages"]}
        self.assertEqual({origins["app-misc/figlet"], origins["dev-libs/cjson"]}, {"source"})


if __name__ == "__main__":
    unittest.main()
