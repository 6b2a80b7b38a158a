"""Builds with Portage: in Rootwright against plain emerge in the same root, and with what an earlier build made."""

import contextlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

from bench import Table
from farm import CACHE, SOURCE, Farm

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
TEST_REPOSITORY = SOURCE / "tests/portage/repository"
# Compiled ones of every build system that the test repository has; with what they need, nine packages.
TEST_SET = ["virtual/banner", "app-admin/logrotate", "dev-libs/cjson", "sys-libs/nss-unknown", "app-misc/hello"]
MACHINE_SET = ["app-misc/figlet", "dev-libs/cjson", "sys-libs/nss-unknown"]
MANY = 200
# As the product sets it for a root of Debian's (executors/rootfs/portage/portage_files.cc), but for what it adds to
# watch emerge.
FEATURES = (
    "-sandbox -usersandbox -userpriv -userfetch -usersync -network-sandbox -ipc-sandbox -pid-sandbox -mount-sandbox"
    " -news -merge-sync -merge-wait -parallel-fetch collision-protect"
)
# $1 the root, $2 a folder of the run's own, $3 the repository, $4 source files; then the command.
ENTER = """set -e
root=$2/root
mkdir -p "$root" "$2/upper" "$2/work"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$root"
mkdir -p "$root/var/db/repos/bench" "$root/var/cache/distfiles" "$root/etc/portage/repos.conf"
mount --bind "$3" "$root/var/db/repos/bench"
mount --bind "$4" "$root/var/cache/distfiles"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=755 run "$root/run"
shift 4
exec chroot "$root" "$@"
"""


def seconds(step):
    return float(step["wall"].rstrip("s"))


class Bench:
    """Builds of one repository, and plain emerge beside them."""

    def __init__(self, farm, repository, packages):
        self.farm = farm
        self.repository = repository
        self.packages = packages
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=farm.folder))

    def specification(self, extra=""):
        wanted = "".join(f"  {package}: {{}}\n" for package in self.packages)
        return self.farm.repository(
            {"configuration.yml": f"package_manager: {{portage: {{root_mode: separate}}}}\npackages:\n{wanted}{extra}"},
            name=self.folder.name,
        )

    def build(self, spec, *options, succeeds=True):
        """The build's steps by name, as the master tells them, and its whole wall time."""
        start = time.monotonic()
        done = self.farm.finish(self.farm.submit(str(spec), "--format", "tar", *options), 7200)
        whole = time.monotonic() - start
        if succeeds:
            assert done["outcome"] == "OUTCOME_SUCCEEDED", json.dumps(done, indent=1)
        return {step["name"]: step for step in done["steps"]}, whole

    def source_files(self):
        """Those of the repository by their names, from the cache that the farm's builds filled."""
        folder = self.folder / "distfiles"
        folder.mkdir(exist_ok=True)
        for manifest in self.repository.glob("*/*/Manifest"):
            for line in manifest.read_text().splitlines():
                kind, name, _, *digests = line.split()
                digests = dict(zip(digests[::2], digests[1::2], strict=True))
                for algorithm, digest in digests.items():
                    cached = CACHE / "distfiles/files" / f"{algorithm.lower()}-{digest}"
                    if kind == "DIST" and cached.exists():
                        shutil.copy(cached, folder / name)
        return folder

    def build_root(self):
        """The tree that the farm's builds use."""
        made = [path.parent for path in (CACHE / "roots").glob("*/image.json") if json.loads(path.read_text())["name"] == f"portage-{HERE}"]
        assert made, f"no build root for {HERE} in {CACHE}/roots: a build with Portage makes it"
        return max(made, key=lambda folder: folder.stat().st_mtime) / "root"

    def plain_emerge(self, *options):
        """Without Rootwright, in a fresh copy-on-write view of the same root; how long it took."""
        with tempfile.TemporaryDirectory(prefix="plain-", dir=self.folder) as own:
            target = "/target"
            script = (
                "printf '[DEFAULT]\\nmain-repo = %s\\n[%s]\\nlocation = /var/db/repos/bench\\nauto-sync = no\\n'"
                ' "$NAME" "$NAME" >/etc/portage/repos.conf/bench.conf;'
                f" ln -sfn /var/db/repos/bench/profiles/{HERE} /etc/portage/make.profile;"
                " printf 'CFLAGS=\"-O2 -pipe\"\\nCXXFLAGS=\"-O2 -pipe\"\\n' >>/etc/portage/make.conf;"
                f' mkdir -p {target}; exec emerge --color=n --nospinner --jobs=1 --quiet-build=n "$@"'
            )
            variables = {
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb",
                "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "FEATURES": FEATURES, "BINPKG_FORMAT": "gpkg",
                "DISTDIR": "/var/cache/distfiles", "MAKEOPTS": f"-j{os.cpu_count()}", "CLEAN_DELAY": "0",
                "GENTOO_MIRRORS": "", "ROOT": target, "SYSROOT": target,
                "C_INCLUDE_PATH": f"{target}/usr/include", "CPLUS_INCLUDE_PATH": f"{target}/usr/include",
                "LIBRARY_PATH": f"{target}/usr/lib", "CMAKE_PREFIX_PATH": f"{target}/usr",
                "PKG_CONFIG_PATH": f"{target}/usr/lib/pkgconfig:{target}/usr/share/pkgconfig",
                "NAME": (self.repository / "profiles/repo_name").read_text().strip(),
            }
            argv = [
                "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private",
                "/bin/sh", "-c", ENTER, "enter", self.build_root(), own, self.repository, self.source_files(),
                "/bin/sh", "-c", script, "emerge", *options, *self.packages,
            ]
            start = time.monotonic()
            done = subprocess.run(
                [str(word) for word in argv], env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            took = time.monotonic() - start
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            return took

    def forget_packages(self):
        for path in (self.farm.folder / "binpkgs/packages").glob("*"):
            shutil.rmtree(path)


@contextlib.contextmanager
def farm_with(repository, name):
    config = f"""
portage {{
  repository {{ name: "{name}" path: "{repository}" }}
  binary_packages {{ folder: "FARM/binpkgs" }}
}}
distfile_folder: "{CACHE}/distfiles"
slots: 1
"""

    class PortageFarm(Farm):
        def config_of(self, agent):
            return super().config_of(agent) + config.replace("FARM", str(self.folder))

    with PortageFarm() as farm:
        yield farm


def peak_mib(farm):
    return farm.agents["builder-1"].own_peak_mib()


def native(table):
    with farm_with(TEST_REPOSITORY, "rootwright-test") as farm:
        bench = Bench(farm, TEST_REPOSITORY, TEST_SET)
        spec = bench.specification()
        container = ("--arch", HERE, "--isolation", "container", "--vcpus", str(os.cpu_count()))
        bench.build(spec, *container)  # makes images and the build root, and fetches sources, where they are not there
        plain, packing, source, cold, warm, cold_whole, warm_whole = [], [], [], [], [], [], []
        for _ in range(table.options.runs):
            plain.append(bench.plain_emerge())
            steps, _ = bench.build(spec, *container, "--from-source")
            source.append(seconds(steps["install_packages"]))
            packing.append(bench.plain_emerge("--buildpkg"))
            bench.forget_packages()
            steps, whole = bench.build(spec, *container)
            cold.append(seconds(steps["install_packages"]))
            cold_whole.append(whole)
            steps, whole = bench.build(spec, *container)
            warm.append(seconds(steps["install_packages"]))
            warm_whole.append(whole)
        table.add("install the test set without binary packages, against plain emerge", source, "s", plain, 1.05)
        table.add("install it and keep its packages, against emerge --buildpkg", cold, "s", packing, 1.05)
        table.add("install it from a warm cache, against cold", warm, "s", cold, 0.10)
        table.add("the whole build from a warm cache, submit to finished, against cold", warm_whole, "s", cold_whole)
        table.add("peak memory of the agent, native builds", peak_mib(farm), "MiB", None, 64)


def resolve(table):
    with tempfile.TemporaryDirectory(prefix="bench-repository-", dir=os.environ.get("TMPDIR", "/var/tmp")) as made:
        repository = pathlib.Path(made)
        repository.chmod(0o755)
        packages = make_repository(repository)
        with farm_with(repository, "bench") as farm:
            bench = Bench(farm, repository, packages)
            # It ends behind the dry run: nothing is merged.
            spec = bench.specification("pre_install_commands: ['false']\n")
            container = ("--arch", HERE, "--isolation", "container", "--from-source")
            bench.build(spec, *container, succeeds=False)
            plain, ours = [], []
            for _ in range(table.options.runs):
                plain.append(bench.plain_emerge("--pretend"))
                steps, _ = bench.build(spec, *container, succeeds=False)
                assert steps["translate_packages"]["state"] == "STEP_STATE_SUCCEEDED", steps
                ours.append(seconds(steps["parse_packages"]) + seconds(steps["translate_packages"]))
            table.add(f"parse, translate and dry run of {MANY} packages, against emerge -p", ours, "s", plain, 1.1)
            table.add("peak memory of the agent, dry runs", peak_mib(farm), "MiB", None, 64)


def make_repository(folder):
    """Small ebuilds, each with a flag and a dependency on the one before it; returns their names."""
    shutil.copytree(TEST_REPOSITORY / "profiles", folder / "profiles")
    (folder / "metadata").mkdir()
    (folder / "metadata/layout.conf").write_text("masters =\nthin-manifests = true\n")
    (folder / "profiles/repo_name").write_text("bench\n")
    (folder / "profiles/categories").write_text("app-bench\n")
    (folder / "profiles/package.mask").unlink()
    names = [f"app-bench/part{number}" for number in range(MANY)]
    for number, name in enumerate(names):
        ebuild = folder / name / f"{name.split('/')[1]}-1.{number}.ebuild"
        ebuild.parent.mkdir(parents=True)
        needs = f">={names[number - 1]}-1.{number - 1}" if number % 10 else ""
        ebuild.write_text(
            f'EAPI=8\nDESCRIPTION="Part {number}"\nLICENSE="metapackage"\nSLOT="0"\nKEYWORDS="amd64 arm64"\nIUSE="+nls doc"\n'
            f'RDEPEND="{needs}"\n'
        )
    return names


def machine(table):
    """Slow: in the emulated machine. Figures for the record, without a reach."""
    foreign = "arm64" if HERE == "amd64" else "amd64"
    with farm_with(TEST_REPOSITORY, "rootwright-test") as farm:
        bench = Bench(farm, TEST_REPOSITORY, MACHINE_SET)
        spec = bench.specification()
        options = ("--arch", foreign, "--wall", "6h", "--boot", "10m")
        cold, _ = bench.build(spec, *options)
        warm, _ = bench.build(spec, *options)
        table.add(f"install {len(MACHINE_SET)} packages in the {foreign} machine", seconds(cold["install_packages"]), "s")
        table.add("the same from a warm cache, against cold", seconds(warm["install_packages"]), "s", seconds(cold["install_packages"]))
        table.add("peak memory of the agent, machine", peak_mib(farm), "MiB", None, 64)


def main():
    table = Table(__doc__.splitlines()[0], [native, resolve, machine])
    CACHE.mkdir(parents=True, exist_ok=True)
    for part in table.parts:
        part(table)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
