"""The main job: an arm64 root filesystem, its manifest, and the product itself booted in a machine of its own."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from farm import BIN, CACHE, SOURCE, Farm, Program, wait_for

EXAMPLE = SOURCE / "examples/specs/arm64-minimal"
MIRROR = "http://deb.debian.org/debian"
STEPS = [
    "fetch_specs", "parse_packages", "translate_packages", "prepare_image", "setup_environment", "reach_environment",
    "pre_install", "install_packages", "post_install", "clean_up", "archive_rootfs", "pack_rootfs", "upload_artifacts",
]


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def spec_packages():
    text = (EXAMPLE / "configuration.yml").read_text()
    block = text.split("\npackages:", 1)[1]
    return re.findall(r"^  ([a-z0-9][a-z0-9+.-]+):", re.split(r"\n\S", block)[0], re.MULTILINE)


def dpkg_status(text):
    """name → (version, status) from a dpkg status file."""
    found = {}
    for paragraph in text.strip().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
        found[fields["Package"]] = (fields["Version"], fields["Status"])
    return found


def reference_root():
    """The same packages by mmdebstrap through qemu-user: its dpkg status and its list of files. Made once a day's
    archive: the digest of the suite's Release file and the list name the cached copy."""
    packages = ",".join(spec_packages())
    with tempfile.TemporaryDirectory() as folder:
        release = pathlib.Path(folder) / "InRelease"
        subprocess.run(
            ["/usr/lib/apt/apt-helper", "download-file", f"{MIRROR}/dists/bookworm/InRelease", release], check=True,
            capture_output=True,
        )
        key = hashlib.sha256(release.read_bytes() + packages.encode()).hexdigest()[:24]
        cached = CACHE / "mmdebstrap" / key
        if not (cached / "files").exists():
            root = pathlib.Path(folder) / "root.tar"
            subprocess.run(
                [SOURCE / "tests/with-qemu-user", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--arch=arm64",
                 f"--include={packages}", "bookworm", root, MIRROR],
                check=True, timeout=1500,
            )
            cached.mkdir(parents=True, exist_ok=True)
            status = subprocess.run(
                ["tar", "-xOf", root, "./var/lib/dpkg/status"], check=True, capture_output=True
            ).stdout
            (cached / "status").write_bytes(status)
            names = subprocess.run(["tar", "-tf", root], check=True, capture_output=True).stdout
            (cached / "files").write_bytes(names)
    return (cached / "status").read_text(), set((cached / "files").read_text().split("\n"))


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.farm.__enter__()
        cls.addClassCleanup(lambda: cls.farm.stop())
        repository = cls.farm.folder / "spec"
        shutil.copytree(EXAMPLE, repository)
        git = ["git", "-C", repository, "-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "Specification"], check=True)
        cls.commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        cls.out = cls.farm.folder / "out"
        done = cls.farm.cli("build", "submit", repository, "--arch", "arm64", "--output", cls.out, timeout=1500)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.shown = done.stdout
        cls.build = cls.farm.newest_build()
        cls.archive = next(cls.out.rglob("rootfs.tar.zst"))
        cls.manifest = json.loads(next(cls.out.rglob("manifest.json")).read_text())
        cls.tree = cls.farm.folder / "tree"
        cls.tree.mkdir()
        subprocess.run(["tar", "--zstd", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", cls.archive, "-C", cls.tree],
                       check=True)
        cls.addClassCleanup(lambda: shutil.rmtree(cls.tree, ignore_errors=True))

    def test_every_step_is_seen_and_timed(self):
        self.assertEqual([step["name"] for step in self.build["steps"]], STEPS)
        for step in self.build["steps"]:
            self.assertEqual(step["state"], "STEP_STATE_SUCCEEDED", step)
            self.assertIn("wall", step)
        for step in STEPS:
            self.assertIn(step, self.shown)

    def test_progress_counts_packages(self):
        events = self.farm.cli("--json", "build", "watch", self.build["id"]).stdout.splitlines()
        progress = [json.loads(line).get("event", {}).get("stepProgress") for line in events]
        counted = [p for p in progress if p and p["step"] == "install_packages" and int(p.get("total", 0)) > 100]
        self.assertGreater(len(counted), 20)
        self.assertTrue(any(p.get("estimate") for p in counted))

    def test_digests_and_commit_agree(self):
        by_name = {artifact["name"]: artifact for artifact in self.build["artifacts"]}
        self.assertEqual(by_name["rootfs.tar.zst"]["sha256"], sha256(self.archive))
        self.assertEqual(self.build["commit"], self.commit)
        self.assertEqual(self.manifest["source"]["commit"], self.commit)
        self.assertIn(sha256(self.archive), json.dumps(self.manifest))

    def test_foreign_programs_are_really_foreign(self):
        header = (self.tree / "usr/bin/busybox").read_bytes()[:20]
        self.assertEqual(header[18:20], b"\xb7\x00", "not an AArch64 program")

    def test_packages_equal_mmdebstraps(self):
        status, files = reference_root()
        ours = dpkg_status((self.tree / "var/lib/dpkg/status").read_text())
        theirs = dpkg_status(status)
        self.assertEqual({name: entry for name, entry in ours.items()}, theirs)
        recorded = {p["name"]: p["version"] for p in self.manifest["packages"]}
        self.assertEqual(recorded, {name: version for name, (version, _) in ours.items()})
        # Files: equal but for what each side leaves out or adds on purpose.
        listed = subprocess.run(["tar", "--zstd", "-tf", self.archive], check=True, capture_output=True, text=True).stdout
        normal = {name.strip("/").removeprefix("./") for name in listed.split("\n")}
        reference = {name.strip("/").removeprefix("./") for name in files}
        expected = re.compile(
            # Keys and identity, what the build machine's mirror is, backups and locks of tools, logs and caches.
            r"^(etc/(ssh/ssh_host_|apt/|machine-id|hostname|motd|resolv\.conf|hosts|fstab|(passwd|group|shadow|gshadow)-$|mtab)"
            r"|var/lib/dpkg/(lock|available|status-old|diversions-old|statoverride|triggers/Lock)"
            r"|var/(log|cache|lib/apt)|run|dev|proc|sys|tmp)"
        )
        missing = sorted(name for name in reference - normal if not expected.match(name))
        added = sorted(name for name in normal - reference if not expected.match(name) and not self.in_overlay(name))
        self.assertEqual((missing, added), ([], []))

    @staticmethod
    def in_overlay(name):
        return any((EXAMPLE / folder / name).exists() for folder in ("pre_install_overlay", "post_install_overlay"))

    def test_machine_identity_and_caches_are_gone(self):
        machine_id = self.tree / "etc/machine-id"
        self.assertFalse(machine_id.exists() and machine_id.read_text().strip())
        self.assertEqual(list((self.tree / "var/cache/apt").rglob("*.deb")), [])
        self.assertFalse((self.tree / "usr/sbin/policy-rc.d").exists())
        self.assertEqual([p.name for p in (self.tree / "etc/ssh").glob("ssh_host_*")], [])

    def test_product_boots_and_its_own_programs_run(self):
        with Product(self.tree, self.farm.folder / "product") as product:
            self.assertEqual(product.run("dpkg", "--audit"), "")
            versions = product.run("dpkg-query", "-W", "-f", "${Package} ${Version}\n")
            self.assertEqual(
                dict(line.split(" ") for line in versions.splitlines()),
                {p["name"]: p["version"] for p in self.manifest["packages"]},
            )
            product.run("sh", "-c", "echo it works >/var/www/html/index.html; lighttpd -tf /etc/lighttpd/lighttpd.conf")
            product.run("/etc/init.d/lighttpd", "start")
            page = product.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do busybox wget -q -O - http://127.0.0.1/ && exit 0; sleep 1; done; exit 1")
            self.assertEqual(page, "it works\n")
            self.assertIn("OpenSSH", product.run("sh", "-c", "ssh -V 2>&1"))
            self.assertEqual(product.run("python3", "-c", "print(6 * 7)"), "42\n")


class Product:
    """The result as the root disk of a fresh machine, with the build machine's kernel and no trace of the build."""

    def __init__(self, tree, folder):
        self.tree, self.folder = tree, folder

    def __enter__(self):
        self.folder.mkdir()
        disk = self.folder / "disk"
        with open(disk, "wb") as file:
            file.truncate(3 << 30)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", self.tree, disk], check=True)
        description = next((CACHE / "images").rglob("image.json"))
        images = [p for p in (CACHE / "images").glob("*/image.json") if "arm64" in p.read_text()]
        image = max(images or [description], key=os.path.getmtime).parent
        self.socket = self.folder / "guest"
        self.machine = Program(
            "product",
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-nic", "none", "-display", "none", "-no-reboot",
             "-kernel", image / "kernel", "-initrd", image / "initrd", "-append", "console=ttyAMA0 panic=-1",
             "-serial", f"file:{self.folder}/console", "-drive", f"file={disk},format=raw,if=none,id=root,cache=unsafe",
             "-device", "virtio-blk-pci,drive=root,serial=root", "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=guest,path={self.socket},server=on,wait=off",
             "-device", "virtserialport,chardev=guest,name=rootwright.0"],
            self.folder / "qemu.log",
        )
        wait_for("the product's channel", self.socket.exists, 30)
        return self

    def run(self, *argv):
        done = subprocess.run([BIN.parent / "tests/machine-exec", self.socket, *argv], capture_output=True, text=True,
                              check=False, timeout=400)
        if done.returncode != 0:
            raise AssertionError(f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}\n{(self.folder / 'console').read_text()[-2000:]}")
        return done.stdout

    def __exit__(self, *_):
        self.machine.kill()


if __name__ == "__main__":
    unittest.main()
