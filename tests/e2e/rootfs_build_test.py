"""The main job: an arm64 root filesystem, its manifest, and the product itself booted in a machine of its own."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
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


# Of the cached reference: count it up when what is kept of an entry changes.
REFERENCE_FORMAT = 2

# Files whose content is compared in another way than by the byte.
COMPARED_AS = {
    # Its order is that in which shells were configured, and has no meaning.
    "etc/shells": lambda content: b"".join(sorted(content.splitlines(keepends=True))),
    # The third field is the day on which a password was set: that of the build.
    "etc/shadow": lambda content: re.sub(rb"^([^:]*:[^:]*:)[0-9]+:", rb"\1:", content, flags=re.MULTILINE),
}

# Where the two may differ: names, what of them (None: one side may lack them, too), and why. All else has to be equal.
ALLOWED = [
    (r"etc/ssh/ssh_host_(rsa|ecdsa|ed25519)_key(\.pub)?", None, "keys are taken out: each device makes its own"),
    (r"etc/resolv\.conf|etc/fstab", None, "mmdebstrap copies its host's, and makes a table without an entry"),
    (r"etc/hosts", None, "written by the specification's command"),
    (r"etc/(passwd|group|shadow|gshadow)-|var/lib/dpkg/(status|diversions)-old|var/cache/debconf/(config|templates)\.dat-old",
     None, "backups that tools keep of the last change"),
    (r"var/lib/dpkg/(available|statoverride)", None, "empty, which to dpkg is as good as missing"),
    (r"var/lib/dpkg/triggers/Lock", {"mode"}, "made by our unpacker for all to read, by dpkg for root"),
    (r"var/lib/apt/(extended_states|lists/lock)|var/cache/apt/archives/lock", None,
     "mmdebstrap runs the root's own apt, we the host's"),
    (r"var/(lib/apt/lists|cache/apt/archives)/partial", {"mode", "uid"}, "the same: apt gives them to its own user when it runs"),
    (r"run/lock", None, "/run is in memory while the machine works, as it is on a device"),
    (r"usr/bin/(gunzip|uncompress)", {"link"}, "one file of two names in gzip's package; mmdebstrap makes two files of it"),
]


def is_as_good(name, ours, theirs):
    if ours == theirs:
        return True
    for pattern, fields, _ in ALLOWED:
        if re.fullmatch(pattern, name):
            if fields is None:
                return True
            return bool(ours and theirs) and all(ours.get(field) == theirs.get(field) for field in (ours.keys() | theirs.keys()) - fields)
    return False


def entries_of(archive):
    """name → {type, mode, uid, gid, link, sha256} of a tar, whatever it is compressed with. Which name of a hard-linked
    file comes first is of no matter: each stands as a file, and all names are its link."""
    found, links = {}, {}
    with (subprocess.Popen(["zstd", "-dcq", "--pass-through", archive], stdout=subprocess.PIPE) as tar,
          tarfile.open(fileobj=tar.stdout, mode="r|") as members):
        for member in members:
            name = member.name.removeprefix("./").strip("/")
            if member.islnk():
                links.setdefault(member.linkname.removeprefix("./"), []).append(name)
                continue
            entry = {"type": member.type.decode(), "mode": f"{member.mode:04o}", "uid": member.uid, "gid": member.gid}
            if member.issym():
                entry["link"] = member.linkname
            if member.isdev():
                entry["device"] = [member.devmajor, member.devminor]
            if member.isreg():
                content = members.extractfile(member).read()
                entry["sha256"] = hashlib.sha256(COMPARED_AS.get(name, bytes)(content)).hexdigest()
            attributes = {key.removeprefix("SCHILY.xattr."): value for key, value in member.pax_headers.items()
                          if key.startswith("SCHILY.xattr.")}
            if attributes:
                entry["xattrs"] = attributes
            found[name] = entry
        # To the end, which is behind tar's own.
        tar.stdout.read()
    if tar.returncode != 0:
        raise AssertionError(f"{archive}: zstd: exit {tar.returncode}")
    for first, others in links.items():
        names = sorted([first, *others])
        for name in names:
            found[name] = dict(found[first], link=names)
    return found


def reference_root():
    """The same packages by mmdebstrap through qemu-user: {"packages": dpkg_status, "entries": entries_of}. Made once a
    day's archive: the digest of the suite's Release file and the list name the cached copy."""
    packages = ",".join(spec_packages())
    with tempfile.TemporaryDirectory() as folder:
        release = pathlib.Path(folder) / "InRelease"
        subprocess.run(
            ["/usr/lib/apt/apt-helper", "download-file", f"{MIRROR}/dists/bookworm/InRelease", release], check=True,
            capture_output=True,
        )
        key = hashlib.sha256(release.read_bytes() + packages.encode()).hexdigest()[:24]
        cached = CACHE / "mmdebstrap" / f"{key}-format-{REFERENCE_FORMAT}.json"
        if not cached.exists():
            root = pathlib.Path(folder) / "root.tar"
            subprocess.run(
                [SOURCE / "tests/with-qemu-user", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--arch=arm64",
                 f"--include={packages}", "bookworm", root, MIRROR],
                check=True, timeout=1500,
            )
            status = subprocess.run(
                ["tar", "-xOf", root, "./var/lib/dpkg/status"], check=True, capture_output=True, text=True
            ).stdout
            cached.parent.mkdir(parents=True, exist_ok=True)
            whole = cached.with_suffix(".new")
            whole.write_text(json.dumps({"packages": dpkg_status(status), "entries": entries_of(root)}))
            whole.rename(cached)
    return json.loads(cached.read_text())


def check_qemu_user():
    """What the reference needs, before anything long is started."""
    check = subprocess.run([SOURCE / "tests/with-qemu-user", "--check"], capture_output=True, text=True, check=False)
    if check.returncode != 0:
        raise AssertionError(f"the comparison with mmdebstrap cannot run here:\n{check.stderr}")


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        check_qemu_user()
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
        reference = reference_root()
        ours = dpkg_status((self.tree / "var/lib/dpkg/status").read_text())
        self.assertEqual({name: list(entry) for name, entry in ours.items()}, reference["packages"])
        recorded = {p["name"]: p["version"] for p in self.manifest["packages"]}
        self.assertEqual(recorded, {name: version for name, (version, _) in ours.items()})

    def test_every_entry_equals_mmdebstraps(self):
        theirs = reference_root()["entries"]
        ours = entries_of(self.archive)
        differences = [
            f"/{name}\n    ours   {ours.get(name, 'missing')}\n    theirs {theirs.get(name, 'missing')}"
            for name in sorted(ours.keys() | theirs.keys())
            if not is_as_good(name, ours.get(name), theirs.get(name)) and not self.in_overlay(name)
        ]
        if differences:
            self.fail(f"{len(differences)} entries differ:\n" + "\n".join(differences[:50]))
        self.assertGreater(len(ours), 10000)

    def test_every_file_of_the_packages_is_there(self):
        missing = []
        for listing in (self.tree / "var/lib/dpkg/info").glob("*.list"):
            for path in listing.read_text().splitlines():
                # In a folder that may be a link to the same one in /usr; the file itself may be a link to anywhere.
                if path != "/." and not os.path.lexists(f"{self.tree}{path}"):
                    missing.append(f"{listing.stem}: {path}")
        self.assertEqual(missing, [])

    @staticmethod
    def in_overlay(name):
        return any((EXAMPLE / folder / name).is_file() for folder in ("pre_install_overlay", "post_install_overlay"))

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
