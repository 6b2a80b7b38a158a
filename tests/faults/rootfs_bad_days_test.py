"""Root filesystem builds that are cancelled in each of their steps, or fail late: they end there as they should, and
nothing stays behind. Of the steps, parse_packages is left out: it is over within a millisecond.
"""

import base64
import contextlib
import shutil
import socket
import subprocess
import threading
import unittest

from farm import CACHE, Farm, wait_for
from tiny_archive import TinyArchive

SPECIFICATION = """package_manager:
  apt:
    suite: {suite}

packages:
  {package}: {{}}

pre_install_commands:
  - "{before}"

post_install_commands:
  - "{after}"
"""
SLEEP = "echo asleep; exec sleep 600"


class TinyFarm(Farm):
    """Builds from the archive given, and keeps its images and packages to itself."""

    def __init__(self, archive, **options):
        super().__init__(**options)
        self.archive = archive

    def config_of(self, name):
        text = super().config_of(name).replace(f'"{CACHE}/', f'"{self.folder}/cache-')
        return f'{text}apt_mirror: "{self.archive.url}"\napt_keyring: "{self.folder}/keyring.gpg"\n'


@contextlib.contextmanager
def silent_server():
    """Takes connections and says nothing; yields its address and what is set when somebody came."""
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])
                    came.set()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in taken:
                connection.close()


class RootfsBadDays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The archive's files are below the farm's folder, which goes last.
        cls.farm = TinyFarm(None)
        cls.archive = cls.farm.archive = TinyArchive(cls.farm.folder / "archive")
        cls.archive.__enter__()
        cls.addClassCleanup(cls.archive.__exit__, None, None, None)
        shutil.copy(cls.archive.keyring, cls.farm.folder / "keyring.gpg")
        cls.images = cls.farm.folder / "cache-images"
        cls.bring_image()
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())

    @classmethod
    def bring_image(cls):
        """When there is none yet on this host, the next build makes it."""
        shutil.rmtree(cls.images, ignore_errors=True)
        if (CACHE / "images").is_dir():
            shutil.copytree(CACHE / "images", cls.images, symlinks=True)

    def submit(self, name, *options, suite="tiny", package="apt", before="true", after="true", files=None):
        text = SPECIFICATION.format(suite=suite, package=package, before=before, after=after)
        repository = self.farm.repository({"configuration.yml": text, **(files or {})}, name)
        return self.farm.submit("--arch", "arm64", repository, *options)

    def cancel_in(self, step, build_id, when=None):
        """Cancels as soon as the step has begun and, if `when` is given, that text is in its log."""
        log = ""
        for event in self.farm.events(build_id):
            self.assertNotIn("buildFinished", event, f"ended before {step}: {event}\n{log}")
            if when is None and event.get("stepStarted", {}).get("step") == step:
                break
            if chunk := event.get("logChunk"):
                log += base64.b64decode(chunk["data"]).decode(errors="replace") if chunk["step"] == step else ""
                if when and when in log:
                    break
        self.assert_cancelled_in(step, build_id)

    def assert_cancelled_in(self, step, build_id):
        self.farm.cancel(build_id)
        build = self.farm.finish(build_id, 60)
        self.assertEqual(build["outcome"], "OUTCOME_CANCELLED", build)
        self.assertEqual(build["steps"][-1]["name"], step, build)
        self.assertEqual(build["attempt"], 1)
        self.assertFalse(build.get("artifacts") if step != "upload_artifacts" else None, build)
        self.assertEqual(self.farm.cli("build", "watch", build_id).returncode, 4)
        wait_for(f"nothing left after {step}", lambda: not self.farm.leftovers(), 40)

    def stored(self):
        """Files of artifacts that the master has, whole or in part."""
        folder = self.farm.folder / "master/artifacts"
        return sorted(path for path in folder.rglob("*") if path.is_file())

    # Each build also shows that the agent is free again after the one before.

    def test_cancel_in_fetch_specs_from_a_server_that_says_nothing(self):
        with silent_server() as (address, came):
            build_id = self.farm.submit("--arch", "arm64", f"git://{address}/spec.git")
            wait_for("git to come", came.is_set)
            self.assert_cancelled_in("fetch_specs", build_id)

    def test_cancel_in_translate_packages_from_a_mirror_that_stalls(self):
        build_id = self.submit("stalled", suite="stalled")
        wait_for("apt to come", self.archive.asked.is_set)
        self.assert_cancelled_in("translate_packages", build_id)

    def test_cancel_in_prepare_image_while_it_is_made(self):
        shutil.rmtree(self.images, ignore_errors=True)
        self.addCleanup(self.bring_image)
        self.cancel_in("prepare_image", self.submit("image"))
        self.assertEqual([path for path in self.images.glob("*") if path.suffix != ".lock"], [])

    def test_cancel_in_setup_and_reach_environment(self):
        # The machine's files take a few milliseconds; what is sure to be hit is that it boots.
        self.cancel_in("reach_environment", self.submit("reach"))

    def test_cancel_in_pre_install_in_a_command(self):
        self.cancel_in("pre_install", self.submit("pre", before=SLEEP), "asleep")

    def test_cancel_in_install_packages_in_a_script_of_a_package(self):
        self.cancel_in("install_packages", self.submit("install", package="sleeper"), "asleep")

    def test_cancel_in_post_install_in_a_command(self):
        self.cancel_in("post_install", self.submit("post", after=SLEEP), "asleep")

    def test_cancel_in_clean_up_with_a_target_that_hangs(self):
        hanging = r"mv /bin/rm /bin/rm.real; printf '#!/bin/sh\\necho asleep\\nexec sleep 600\\n' >/bin/rm; chmod 755 /bin/rm"
        self.cancel_in("clean_up", self.submit("clean", after=hanging), "asleep")

    def test_cancel_in_archive_rootfs_of_much(self):
        self.cancel_in("archive_rootfs", self.submit("archive", after="truncate -s 3G /var/much"))

    def test_cancel_in_pack_rootfs(self):
        self.cancel_in("pack_rootfs", self.submit("pack", "--format", "tar.gz", package="bulk"))

    def test_cancel_in_upload_artifacts(self):
        stored = self.stored()
        self.cancel_in("upload_artifacts", self.submit("upload", "--format", "tar", package="bulk"))
        wait_for("nothing left with the master", lambda: self.stored() == stored)

    def test_command_that_fails_ends_the_build_and_the_rest_is_not_run(self):
        build = self.farm.finish(self.submit("failing", after='echo before; exit 9"\n  - "echo never'))
        self.assertEqual((build["outcome"], build["attempt"]), ("OUTCOME_FAILED", 1), build)
        step = build["steps"][-1]
        self.assertEqual((step["name"], step["state"], step["exitCode"]), ("post_install", "STEP_STATE_FAILED", 9))
        log = self.farm.log(build["id"], "post_install")
        self.assertIn("before", log)
        self.assertNotIn("never", log)
        self.assertEqual(build.get("artifacts", []), [])

    def test_overlay_through_a_link_of_a_package_stays_in_the_target(self):
        # The package's /escape is a link to a folder of this host.
        def build_with(overlay):
            build = self.farm.finish(self.submit(overlay, files={f"{overlay}/escape/file": "mine"}))
            self.assertEqual(list(self.archive.outside.iterdir()), [])
            return build

        # Placed on the host, which does not follow it; then in the machine, where the link leads to no folder and gives way to one.
        before = build_with("pre_install_overlay")
        self.assertEqual(before["outcome"], "OUTCOME_FAILED", before)
        self.assertEqual(
            before["reason"],
            "pre_install: pre_install_overlay: place overlay: /escape: the root filesystem has something there that is not a folder",
        )
        after = build_with("post_install_overlay")
        self.assertEqual(after["outcome"], "OUTCOME_SUCCEEDED", after)
        self.assertIn("escape/file\n", self.names_in_archive(after))

    def names_in_archive(self, build):
        out = self.farm.folder / "out" / build["id"]
        self.assertEqual(self.farm.cli("artifact", "get", build["id"], "rootfs.tar.zst", "--output", out).returncode, 0)
        file = next(path for path in [out, *out.rglob("*")] if path.is_file())
        return subprocess.run(["tar", "--zstd", "-tf", file], check=True, capture_output=True, text=True).stdout

    def test_uncancelled_it_succeeds(self):
        build = self.farm.finish(self.submit("good"))
        self.assertEqual(build["outcome"], "OUTCOME_SUCCEEDED", build)
        self.assertEqual(len(build["steps"]), 13)


if __name__ == "__main__":
    unittest.main()
