"""A Debian archive on loopback that is small enough for a root filesystem in seconds, and that can stall.

Its packages hold Debian's own arm64 programs: just what package scripts and dpkg need. What it does not have, as the
packages of the machine image, it sends to Debian's mirror for.
"""

import hashlib
import http.server
import pathlib
import shutil
import subprocess
import threading
import time

from farm import CACHE

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = ["coreutils", "dash", "diffutils", "dpkg", "libc-bin", "libc6", "sed", "tar"]
LIBRARIES = [
    "libacl1", "libattr1", "libbz2-1.0", "libgmp10", "liblzma5", "libmd0", "libpcre2-8-0", "libselinux1", "libzstd1", "zlib1g"
]
# Of so many bytes is the package "bulk", of zeros: quickly fetched, not so quickly packed and uploaded.
BULK_BYTES = 300_000_000


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, **options).stdout


def debian_packages():
    """The .deb files of PROGRAMS and LIBRARIES for arm64, fetched once."""
    folder = CACHE / "tiny-archive"
    wanted = PROGRAMS + LIBRARIES
    if not all(any(folder.glob(f"debs/{name}_*.deb")) for name in wanted):
        (folder / "debs").mkdir(parents=True, exist_ok=True)
        (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} bookworm main\n")
        settings = {
            "APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "root",
            "Dir::State": folder, "Dir::State::status": folder / "status", "Dir::Cache": folder,
            "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "-",
        }
        apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
        run(*apt, "update")
        run(*apt, "download", *wanted, cwd=folder / "debs")
    return [next(iter(folder.glob(f"debs/{name}_*.deb"))) for name in wanted]


class TinyArchive:
    """Use it as a context. Suite "tiny" holds the packages apt (the whole system), sleeper and bulk; requests for suite
    "stalled" are kept waiting until the end."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.keyring = self.folder / "keyring.gpg"
        self.home = self.folder / "gnupg"
        # The system's /escape leads there, on the host.
        self.outside = self.folder / "outside"
        self.asked = threading.Event()
        self.ended = threading.Event()

    def __enter__(self):
        self.home.mkdir(parents=True, mode=0o700)
        try:
            self.gpg("--quick-generate-key", "test", "ed25519", "sign", "never")
            self.gpg("--output", self.keyring, "--export", "test")
            self.keyring.chmod(0o644)
            self.make_packages()
            self.make_suite("tiny")
        finally:
            run("gpgconf", "--homedir", self.home, "--kill", "all")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/debian"
        return self

    def __exit__(self, kind, error, traceback):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def gpg(self, *words):
        run("gpg", "--homedir", self.home, "--batch", "--quiet", "--yes", "--passphrase", "", *words)

    # --- what is in it ---

    def make_packages(self):
        base = self.folder / "made/apt"
        base.mkdir(parents=True)
        for deb in debian_packages():
            run("dpkg-deb", "--extract", deb, base)
        for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
            shutil.rmtree(base / folder, ignore_errors=True)
        for path, text in {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
        }.items():
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_text(text)
        for folder in ("root", "tmp", "proc", "sys", "run", "var/lib/dpkg", "var/tmp", "var/log", "var/cache"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        self.outside.mkdir()
        (base / "escape").symlink_to(self.outside)
        self.make_package("apt", "Essential: yes\nPriority: required\n")
        self.make_package("sleeper", "Depends: apt\n", "#!/bin/sh\necho asleep\nexec sleep 600\n")
        with self.file("bulk", "var/bulk").open("wb") as bulk:
            bulk.truncate(BULK_BYTES)
        self.make_package("bulk", "")

    def file(self, package, path):
        place = self.folder / "made" / package / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def make_package(self, name, fields, postinst=""):
        self.file(name, "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1.0\nArchitecture: arm64\nMaintainer: test <test@localhost>\n{fields}"
            "Description: for tests\n"
        )
        if postinst:
            script = self.file(name, "DEBIAN/postinst")
            script.write_text(postinst)
            script.chmod(0o755)
        pool = self.folder / "debian/pool"
        pool.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", self.folder / "made" / name, pool / f"{name}.deb")
        shutil.rmtree(self.folder / "made" / name)

    def make_suite(self, suite):
        index = ""
        for deb in sorted((self.folder / "debian/pool").glob("*.deb")):
            content = deb.read_bytes()
            index += run("dpkg-deb", "--field", deb).strip() + (
                f"\nFilename: pool/{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
            )
        dists = self.folder / "debian/dists" / suite
        (dists / "main/binary-arm64").mkdir(parents=True)
        (dists / "main/binary-arm64/Packages").write_text(index)
        date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
        (dists / "Release").write_text(
            f"Suite: {suite}\nCodename: {suite}\nArchitectures: arm64\nComponents: main\nDate: {date}\nSHA256:\n"
            f" {hashlib.sha256(index.encode()).hexdigest()} {len(index)} main/binary-arm64/Packages\n"
        )
        self.gpg("--clearsign", "--output", dists / "InRelease", dists / "Release")

    # --- how it is served ---

    def handler(archive):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(archive.folder))

            def do_GET(self):
                if "/dists/stalled/" in self.path:
                    archive.asked.set()
                    archive.ended.wait()
                elif "/dists/tiny/" in self.path or (archive.folder / self.path.lstrip("/")).exists():
                    super().do_GET()
                else:
                    self.send_response(302)
                    self.send_header("Location", MIRROR + self.path.removeprefix("/debian"))
                    self.end_headers()

            def log_message(self, *_):
                pass

        return Handler
