"""Stages as build roots: a small one, signed with a key of the test's own, goes through `rootwright image` into a real
agent, and whatever is wrong with it is refused with nothing left."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import signal
import subprocess
import tarfile
import tempfile
import unittest

from farm import BIN, Farm, Program, wait_for

STAGE = "stage3-amd64-openrc-20261101T170000Z.tar.xz"


def tar_of(members, mode="w:xz"):
    """A tar archive of (name, type, content or link, mode)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as tar:
        for name, kind, content, bits in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kind, bits, 1_700_000_000
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                continue
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
            if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
                info.devmajor, info.devminor = content
            tar.addfile(info)
    return raw.getvalue()


def shell_for(machine):
    """The head of a program: what `file` would look at."""
    elf = bytearray(64)
    elf[0:7] = b"\x7fELF\x02\x01\x01"
    elf[18:20] = machine.to_bytes(2, "little")
    return bytes(elf)


def stage_members(machine=62, more=()):
    """As Gentoo's own, small: merged /usr, a set-user-ID program, a few device nodes."""
    folder, file, link, device = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE
    return [
        ("./", folder, None, 0o755), ("./usr/", folder, None, 0o755), ("./usr/bin/", folder, None, 0o755),
        ("./usr/bin/bash", file, shell_for(machine), 0o755), ("./usr/bin/sh", link, "bash", 0o777),
        ("./bin", link, "usr/bin", 0o777), ("./usr/bin/emerge", file, b"#!/usr/bin/python\n", 0o755),
        ("./usr/bin/su", file, b"su", 0o4711), ("./usr/bin/python", tarfile.LNKTYPE, "./usr/bin/bash", 0o755),
        ("./dev/", folder, None, 0o755), ("./dev/null", device, (1, 3), 0o666), ("./dev/console", device, (5, 1), 0o600),
        ("./etc/", folder, None, 0o755), ("./etc/portage/", folder, None, 0o755),
        ("./etc/portage/make.conf", file, os.urandom(2 << 20), 0o644), *more,
    ]


class Keys:
    """A GnuPG home with one key, which nobody else has."""

    def __init__(self, folder, name):
        self.home = pathlib.Path(folder) / f"gnupg-{name}"
        self.home.mkdir(mode=0o700)
        self.name = name
        self.gpg("--quick-generate-key", f"{name} <{name}@localhost>", "ed25519", "sign", "never")
        self.public = self.home / f"{name}.asc"
        self.public.write_bytes(self.gpg("--armor", "--export"))
        self.binary = self.home / f"{name}.gpg"
        self.binary.write_bytes(self.gpg("--export"))

    def gpg(self, *words, data=b""):
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *map(str, words)],
            input=data, capture_output=True, check=True, timeout=60,
        ).stdout

    def end(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True, timeout=30)


class ImageImport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="rootwright-stages-")))
        cls.keys = Keys(cls.folder, "release")
        cls.addClassCleanup(cls.keys.end)
        cls.strange = Keys(cls.folder, "strange")
        cls.addClassCleanup(cls.strange.end)
        cls.roots = cls.folder / "roots"
        cls.farm = Farm(agent_config=f'build_root_folder: "{cls.roots}"\n')
        cls.farm.__enter__()
        cls.addClassCleanup(cls.farm.stop)
        cls.stage = cls.put(STAGE, tar_of(stage_members()))
        cls.sha256 = hashlib.sha256(cls.stage.read_bytes()).hexdigest()

    @classmethod
    def put(cls, name, content):
        path = cls.folder / name
        path.write_bytes(content)
        return path

    def tearDown(self):
        for name in self.image("list", "--quiet").stdout.split():
            self.assertEqual(self.image("remove", name).returncode, 0)
        self.assert_nothing_half_done()

    def image(self, *words):
        return self.farm.cli("image", words[0], "--admin", self.farm.admin_address(), *words[1:])

    def digests(self, archive=STAGE, keys=None):
        """Gentoo's .DIGESTS of the stage, signed when there are keys."""
        content = self.stage.read_bytes()
        text = (
            f"# BLAKE2B HASH\n{hashlib.blake2b(content).hexdigest()}  {archive}\n"
            f"# SHA512 HASH\n{hashlib.sha512(content).hexdigest()}  {archive}\n"
            f"# SHA512 HASH\n{'0' * 128}  {archive}.CONTENTS.gz\n"
        ).encode()
        return keys.gpg("--clearsign", data=text) if keys else text

    def imported(self, *words):
        done = self.image("import", *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refused(self, text, *words, code=2):
        done = self.image("import", *words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(self.image("list", "--quiet").stdout, "")
        self.assert_nothing_half_done()

    def assert_nothing_half_done(self):
        wait_for("no half import", lambda: not [*self.roots.glob(".making-*"), *self.farm.folder.glob("builder-1/work/import-*")], 10)

    def test_signed_stage(self):
        signature = self.put(f"{STAGE}.asc", self.keys.gpg("--armor", "--detach-sign", "-o", "-", self.stage))
        said = self.imported(self.stage, "--signature", signature, "--key", self.keys.public)
        self.assertIn("stage3-amd64-openrc-20261101t170000z imported: amd64, 2.0 MiB", said)
        self.assertIn("2 device nodes left out", said)
        self.assertRegex(said, r"verified +signature by key [0-9A-F]{40}")
        root = next(self.roots.glob("*/root"))
        self.assertEqual((root / "usr/bin/su").stat().st_mode & 0o7777, 0o4711)
        self.assertEqual(os.readlink(root / "bin"), "usr/bin")
        self.assertFalse((root / "dev/null").exists())
        self.assertEqual((root / "usr/bin/python").stat().st_ino, (root / "usr/bin/bash").stat().st_ino)
        self.assertEqual(self.roots.stat().st_mode & 0o777, 0o700)
        listed = [json.loads(line) for line in self.image("list", "--json").stdout.splitlines()]
        self.assertEqual(len(listed), 1)
        self.assertEqual((listed[0]["architecture"], listed[0]["origin"]), ("ARCHITECTURE_AMD64", "IMAGE_ORIGIN_IMPORTED"))
        self.assertEqual(listed[0]["facts"]["archive"], f"sha256:{self.sha256}")
        self.assertRegex(self.image("list").stdout, r"stage3-amd64-openrc-20261101t170000z +amd64 +2.0 MiB +imported +20")
        # Also in what the farm and the host's doctor show.
        wait_for("the root in agent show", lambda: listed[0]["name"] in self.farm.cli("agent", "show", "builder-1").stdout, 20)
        doctor = self.farm.cli("doctor", "--config", self.farm.folder / "builder-1.textproto").stdout
        self.assertIn(f"build roots: {listed[0]['name']} 2.0 MiB", doctor)

    def test_digests(self):
        signed = self.put("signed.DIGESTS", self.digests(keys=self.keys))
        self.assertIn("digests signed by key", self.imported(self.stage, "--digests", signed, "--key", self.keys.binary, "--name", "a"))
        plain = self.put("plain.DIGESTS", self.digests())
        self.imported(self.stage, "--digests", plain, "--name", "b")
        sums = self.put("stage.sha256", self.keys.gpg("--clearsign", data=f"# SHA256 HASH\n{self.sha256}  {STAGE}\n".encode()))
        self.imported(self.stage, "--digests", sums, "--key", self.keys.public, "--name", "c")
        self.imported(self.stage, "--digest", f"sha256:{self.sha256}", "--name", "d", "--arch", "amd64")
        self.assertIn("verified  no", self.imported(self.stage, "--unverified", "--name", "e"))
        self.assertEqual(self.image("list", "--quiet").stdout.split(), ["a", "b", "c", "d", "e"])

    def test_json_has_a_message_a_line(self):
        done = self.farm.cli("--json", "image", "import", "--admin", self.farm.admin_address(), self.stage, "--unverified", "--name", "x")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        phases = [line["progress"]["phase"] for line in lines[:-1]]
        self.assertEqual(sorted(set(phases), key=phases.index), ["upload", "verify", "unpack", "keep"])
        self.assertEqual(lines[-1]["image"]["name"], "x")
        refused = self.farm.cli("--json", "image", "remove", "--admin", self.farm.admin_address(), "y")
        self.assertEqual(json.loads(refused.stdout)["error"]["exitCode"], 2)
        self.assertIn("there are: x", refused.stderr)

    def test_nothing_to_verify_it_by(self):
        self.refused("nothing says that it is genuine", self.stage)
        self.refused("to check the signature, give --key", self.stage, "--digests", self.put("k.DIGESTS", self.digests(keys=self.keys)))
        self.refused("nothing that is signed", self.stage, "--unverified", "--key", self.keys.public)
        self.refused("must be 'sha256:'", self.stage, "--digest", self.sha256)
        self.refused("empty", self.stage, "--digests", self.put("empty", b""))
        self.refused("No such file", self.folder / "missing.tar.xz", "--unverified")

    def test_wrong_signatures(self):
        signature = self.put("bad.asc", self.keys.gpg("--armor", "--detach-sign", "-o", "-", self.stage))
        other = self.put("other.tar.xz", tar_of(stage_members()))
        self.refused("is bad", other, "--signature", signature, "--key", self.keys.public)
        self.refused("is not among the keys given", self.stage, "--signature", signature, "--key", self.strange.public)
        self.refused("there is none", self.stage, "--signature", self.put("no.asc", b"hello\n"), "--key", self.keys.public)
        self.refused("armour", self.stage, "--signature", signature, "--key", self.put("no.key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"))
        signed = self.digests(keys=self.keys)
        changed = self.put("changed.DIGESTS", signed.replace(b"SHA512 HASH", b"SHA512  HASH", 1))
        self.refused("is bad", self.stage, "--digests", changed, "--key", self.keys.public)
        # What stands around the signed part is nothing.
        around = self.put("around.DIGESTS", self.digests("x") + self.digests("y", keys=self.keys))
        self.refused("digests: none for", self.stage, "--digests", around, "--key", self.keys.public)

    def test_wrong_digests(self):
        self.refused("its SHA256 is", self.stage, "--digest", f"sha256:{'0' * 64}")
        self.refused("digests: none for", self.stage, "--digests", self.put("x.DIGESTS", self.digests("other.tar.xz")))
        self.refused("line 1", self.stage, "--digests", self.put("y.DIGESTS", b"hello\n"))
        wrong = self.digests().replace(hashlib.blake2b(self.stage.read_bytes()).hexdigest().encode(), b"0" * 128)
        self.refused("its BLAKE2B is", self.stage, "--digests", self.put("z.DIGESTS", wrong))

    def test_damaged_archives(self):
        whole = self.stage.read_bytes()
        for name, content in (
            ("truncated", whole[: len(whole) // 2]), ("no-archive", b"hello" * 1000), ("nothing", tar_of([])),
            ("flipped", whole[:70000] + bytes([whole[70000] ^ 0xFF]) + whole[70001:]),
        ):
            with self.subTest(name):
                self.refused(f"import {name}.tar.xz: ", self.put(f"{name}.tar.xz", content), "--unverified")
        # A truncated one that is signed says so by its signature first.
        signature = self.put("whole.asc", self.keys.gpg("--armor", "--detach-sign", "-o", "-", self.stage))
        self.refused("is bad", self.folder / "truncated.tar.xz", "--signature", signature, "--key", self.keys.public)

    def test_archives_that_would_leave_the_tree(self):
        outside = self.folder / "outside"
        outside.mkdir()
        for name, members in (
            ("dots", [("../../outside/x", tarfile.REGTYPE, b"x", 0o644)]),
            ("absolute", [(f"{outside}/x", tarfile.REGTYPE, b"x", 0o644)]),
            ("link", [("./way", tarfile.SYMTYPE, str(outside), 0o777), ("./way/x", tarfile.REGTYPE, b"x", 0o644)]),
            ("hardlink", [("./x", tarfile.LNKTYPE, "../../outside", 0o644)]),
        ):
            with self.subTest(name):
                self.refused("out of the tree", self.put(f"{name}.tar.xz", tar_of(stage_members(more=members))), "--unverified")
        self.assertEqual(list(outside.iterdir()), [])
        twice = self.put("twice.tar.xz", tar_of(stage_members(more=[("./usr/bin/su", tarfile.REGTYPE, b"x", 0o644)])))
        self.refused("stands in it twice", twice, "--unverified")

    def test_architectures(self):
        arm = self.put("arm.tar.xz", tar_of(stage_members(machine=183)))
        self.assertIn("imported: arm64", self.imported(arm, "--unverified"))
        self.assertEqual(self.image("remove", "arm").returncode, 0)
        self.refused("its programs are for arm64, not for amd64", arm, "--unverified", "--arch", "amd64")
        self.refused("not known here", self.put("sparc.tar.xz", tar_of(stage_members(machine=43))), "--unverified")
        self.refused("no /bin/sh", self.put("empty.tar.xz", tar_of([("./etc/", tarfile.DIRTYPE, None, 0o755)])), "--unverified")

    def test_names(self):
        self.imported(self.stage, "--unverified", "--name", "stage3")
        self.imported(self.stage, "--unverified", "--name", "stage3")  # the same once more is well
        other = self.put("other.tar.xz", tar_of(stage_members()))
        taken = self.image("import", other, "--unverified", "--name", "stage3")
        self.assertEqual(taken.returncode, 2)
        self.assertIn("there is another build root 'stage3'", taken.stderr)
        self.assertEqual(self.image("remove", "stage3").returncode, 0)
        self.refused("is that of Rootwright's own image", self.stage, "--unverified", "--name", "portage-amd64")
        self.refused("characters of a-z", self.stage, "--unverified", "--name", "../x")

    def test_a_client_that_goes_away(self):
        """In the middle of the upload: the agent forgets it."""
        fifo_sized = self.put("large.tar.xz", os.urandom(64 << 20))
        argv = [BIN / "rootwright", "image", "import", "--admin", self.farm.admin_address(), fifo_sized, "--unverified"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            client.stdout.readline()
            client.send_signal(signal.SIGKILL)
        self.assert_nothing_half_done()
        self.assertEqual(self.image("list", "--quiet").stdout, "")

    def test_an_agent_that_is_killed(self):
        """In mid-import: the next start removes what lies about, and the store is as it was."""
        self.imported(self.stage, "--unverified", "--name", "kept")
        # Enough files for the unpacking to last.
        many = [(f"./etc/{number}", tarfile.REGTYPE, b"x" * 100, 0o644) for number in range(60000)]
        large = self.put("many.tar", tar_of(stage_members(more=many), mode="w"))
        argv = [BIN / "rootwright", "image", "import", "--admin", self.farm.admin_address(), large, "--unverified"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            wait_for("the unpacking", lambda: [*self.roots.glob(".making-*/root/etc/1")], 60, pause=0.01)
            self.farm.agents["builder-1"].kill()
            client.wait(30)
        self.assertEqual(client.returncode, 6)
        self.assertTrue([*self.roots.glob(".making-*")])
        self.farm.start_agent()
        self.assert_nothing_half_done()
        self.assertEqual(self.image("list", "--quiet").stdout, "kept\n")

    def test_a_root_in_use_stays(self):
        self.imported(self.stage, "--unverified", "--name", "used")
        lock = next(self.roots.glob("*.in-use"))
        with contextlib.ExitStack() as stack:
            holder = stack.enter_context(subprocess.Popen(["flock", "--shared", "--no-fork", lock, "sleep", "60"]))
            stack.callback(holder.terminate)
            wait_for("the lock", lambda: "in use" in self.image("list").stdout, 10)
            refused = self.image("remove", "used")
            self.assertEqual(refused.returncode, 2)
            self.assertIn("a build uses it", refused.stderr)
            holder.terminate()
        wait_for("the lock to go", lambda: "in use" not in self.image("list").stdout, 10)

    def test_no_agent(self):
        done = self.farm.cli("image", "list", "--admin", "127.0.0.1:1")
        self.assertEqual(done.returncode, 6)
        self.assertIn("cannot reach the agent: 127.0.0.1:1: connection refused", done.stderr)


class OwnRoot(unittest.TestCase):
    """Rootwright's own root for Portage, made in a container of a real agent's."""

    @contextlib.contextmanager
    def farm(self, store=None):
        with Farm(agents=()) as farm:
            farm.store = store or farm.folder / "roots"
            farm.agent_config = f'build_root_folder: "{farm.store}"\n'
            config = farm.folder / "builder-1.textproto"
            config.write_text(farm.config_of("builder-1"))
            farm.make = [BIN / "rootwright-agent", "--config", config, "--make-root", "amd64"]
            yield farm

    def start_making(self, farm, log):
        """Returns while packages are being configured."""
        making = Program("make-root", farm.make, farm.folder / log)
        self.addCleanup(making.kill)
        wait_for("packages", lambda: "Setting up" in making.tail() or not making.running(), 600)
        self.assertTrue(making.running(), making.tail())
        self.assertEqual(len(farm.containers()), 1)
        self.assertRegex(farm.containers()[0], "^rootwright-make-[0-9a-f]{8}-root$")
        return making

    def assert_nothing_left(self, farm):
        left = lambda: farm.leftovers() + farm.containers() + farm.mounts() + [*farm.store.glob(".making-*")]
        wait_for(f"nothing left of it; there is {left()}", lambda: not left(), 30)

    def test_made_once(self):
        """Kept between runs of the tests."""
        cache = pathlib.Path(os.environ.get("ROOTWRIGHT_CACHE", "/var/cache/rootwright")) / "roots"
        with self.farm(cache) as farm:
            made = subprocess.run(farm.make, capture_output=True, text=True, check=False, timeout=800)
            self.assertEqual(made.returncode, 0, made.stderr[-3000:])
            name, digest, tree = made.stdout.splitlines()[-1].split()
            self.assertEqual(name, "portage-amd64")
            self.assertRegex(digest, "^sha256:[0-9a-f]{64}$")
            tree = pathlib.Path(tree)
            self.assertTrue((tree / "usr/bin/emerge").exists())
            self.assertEqual((tree / "usr/bin/passwd").stat().st_mode & 0o7777, 0o4755)
            self.assertEqual((tree / "var/cache/distfiles").stat().st_uid, 250)
            nodes = subprocess.run(["find", tree, "-type", "c", "-o", "-type", "b"], capture_output=True, text=True, check=True)
            self.assertEqual(nodes.stdout, "")
            again = subprocess.run(farm.make, capture_output=True, text=True, check=True, timeout=300)
            self.assertEqual(again.stdout, made.stdout.splitlines()[-1] + "\n", "it was made anew")
            self.assertEqual(farm.leftovers(), [])

    def test_stopped_or_killed_in_the_middle(self):
        with self.farm() as farm:
            making = self.start_making(farm, "stopped.log")
            self.assertEqual(making.end(), 1)
            self.assertIn("make build root portage-amd64: install_packages", making.tail())
            self.assert_nothing_left(farm)
            making = self.start_making(farm, "killed.log")
            making.kill()
            self.assertTrue(farm.leftovers())
            self.assertTrue([*farm.store.glob(".making-*")])
            # The next start of the agent ends and removes it.
            farm.start_agent()
            self.assert_nothing_left(farm)
            self.assertEqual(farm.cli("image", "list", "--quiet", "--admin", farm.admin_address()).stdout, "")


if __name__ == "__main__":
    unittest.main()
