"""A whole farm for one test: libvirtd, master and agents of its own, in a temporary folder.

Everything it starts it ends by process id, also when the test fails; `Farm.stop` fails the test when a machine, a
process or a file of the farm is left. Needs root, as libvirt's system machines do.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(os.environ.get("ROOTWRIGHT_SOURCE", pathlib.Path(__file__).parents[2]))
BIN = pathlib.Path(os.environ.get("ROOTWRIGHT_BIN", SOURCE / "build/dev/bin"))
CACHE = pathlib.Path(os.environ.get("ROOTWRIGHT_CACHE", "/var/cache/rootwright"))


def wait_for(what, condition, seconds=60, pause=0.05):
    """Asks `condition` until it is true; returns what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s in vain for: {what}")


def grpcurl_program():
    """Built once from its Go module."""
    version = "v1.9.3"
    folder = CACHE / f"grpcurl-{version}"
    if not (folder / "grpcurl").exists():
        subprocess.run(
            ["go", "install", f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{version}"],
            env=dict(os.environ, GOBIN=str(folder), GOFLAGS="-mod=mod"), check=True, cwd="/",
        )
    return folder / "grpcurl"


class Program:
    """A process that is ended by its id."""

    def __init__(self, name, argv, log, **options):
        self.name = name
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
            )

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """As a power cut would."""
        if self.running():
            self.process.kill()
        self.process.wait()

    def end(self, seconds=40):
        """In order, and by force after `seconds`; returns the exit status."""
        if self.running():
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end in {seconds} s; its log:\n{self.tail()}") from None

    def own_peak_mib(self):
        """The most memory that it has had; 0 when a sanitizer's shadow and quarantine are part of it."""
        of = pathlib.Path(f"/proc/{self.pid}")
        if "libasan" in (of / "maps").read_text():
            return 0
        return int((of / "status").read_text().split("VmHWM:")[1].split()[0]) / 1024

    def sanitizer_reports(self):
        """What the sanitizers' builds of our programs found, if this is one."""
        said = pathlib.Path(self.log).read_text(errors="replace")
        found = re.search(r"^.*(Sanitizer: |runtime error: )", said, re.MULTILINE)
        return [f"{self.name}: {said[found.start():][:8000]}"] if found else []

    def tail(self, size=4000):
        return pathlib.Path(self.log).read_text(errors="replace")[-size:]


class Farm:
    """libvirtd, a master and any number of agents. Use it as a context."""

    def __init__(self, agents=("builder-1",), agent_config="", master_flags=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rootwright-e2e-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.folder.chmod(0o711)
        self.agent_config = agent_config
        self.master_flags = list(master_flags)
        self.agent_names = list(agents)
        self.libvirtd = self.master = None
        self.agents = {}
        self.uri = f"qemu+unix:///system?socket={self.folder}/libvirt/libvirt-sock"

    def __enter__(self):
        try:
            self.start_libvirtd()
            self.start_master()
            for name in self.agent_names:
                self.start_agent(name)
        except BaseException:
            self.stop(check=False)
            raise
        return self

    def __exit__(self, kind, error, traceback):
        self.stop(check=kind is None)

    # --- parts ---

    def start_libvirtd(self):
        self.libvirtd = Program(
            "libvirtd",
            [SOURCE / "ci/private-libvirtd", "--share", self.folder, self.folder / "libvirt"],
            self.folder / "libvirtd.log",
        )
        wait_for("libvirtd", lambda: self.virsh("list", check=False).returncode == 0)

    def start_master(self):
        address = self.folder / "master-address"
        listen = address.read_text().strip() if address.exists() else "127.0.0.1:0"
        address.unlink(missing_ok=True)
        self.master = Program(
            "master",
            [BIN / "rootwright-master", "--listen", listen, "--state", self.folder / "master", "--address-file", address]
            + self.master_flags,
            self.folder / "master.log",
        )
        wait_for("the master's address", lambda: address.exists() and address.read_text().strip())
        self.master_address = address.read_text().strip()

    def config_of(self, name):
        # Slow to make, too; a test of its own may have its own.
        roots = "" if "build_root_folder" in self.agent_config else f'build_root_folder: "{CACHE}/roots"'
        return f"""name: "{name}"
master: "{self.master_address}"
state_folder: "{self.folder / name}"
image_folder: "{CACHE}/images"
package_folder: "{CACHE}/packages"
{roots}
libvirt_uri: "{self.uri}"
admin_listen: "127.0.0.1:0"
{self.agent_config}
"""

    def start_agent(self, name="builder-1", wait=True):
        config = self.folder / f"{name}.textproto"
        config.write_text(self.config_of(name))
        (self.folder / name / "admin-address").unlink(missing_ok=True)
        self.agents[name] = Program(
            name, [BIN / "rootwright-agent", "--config", config], self.folder / f"{name}.log"
        )
        if wait:
            wait_for(f"agent {name}", lambda: self.agent_state(name) == "AGENT_STATE_READY", 90)
        return self.agents[name]

    def agent_state(self, name):
        shown = self.cli("--json", "agent", "show", name)
        return json.loads(shown.stdout).get("state") if shown.returncode == 0 else None

    def admin_address(self, name="builder-1"):
        return (self.folder / name / "admin-address").read_text().strip()

    def health(self, part, name="builder-1"):
        """What the agent's health service says of one part, e.g. "SERVING"."""
        asked = subprocess.run(
            [grpcurl_program(), "-plaintext", "-max-time", "20", "-d", json.dumps({"service": part}),
             self.admin_address(name), "grpc.health.v1.Health/Check"],
            capture_output=True, text=True, check=False, timeout=60,
        )
        assert asked.returncode == 0, asked.stderr
        return json.loads(asked.stdout)["status"]

    # --- use ---

    def cli(self, *words, timeout=600, **options):
        environment = dict(os.environ, ROOTWRIGHT_MASTER=self.master_address, NO_COLOR="1")
        done = subprocess.run(
            [BIN / "rootwright", *map(str, words)],
            env=environment, capture_output=True, text=True, timeout=timeout, cwd=self.folder, check=False, **options,
        )
        assert "Sanitizer: " not in done.stderr and "runtime error: " not in done.stderr, done.stderr
        return done

    def submit(self, *words):
        """Submits and does not wait; returns the build's id."""
        done = self.cli("--json", "build", "submit", "--detach", *words)
        assert done.returncode == 0, f"submit: {done.stdout}{done.stderr}"
        first = json.loads(done.stdout.splitlines()[0])
        return first.get("build", first)["id"]

    def submit_command(self, *argv, options=()):
        return self.submit("--command", "--arch", "arm64", *options, "--", *argv)

    def build(self, build_id):
        shown = self.cli("--json", "build", "show", build_id)
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    def newest_build(self):
        return self.build(self.cli("build", "list", "--quiet").stdout.split()[0])

    def finish(self, build_id, seconds=600):
        """Waits for the end and returns the build."""
        self.cli("build", "watch", build_id, timeout=seconds)
        build = self.build(build_id)
        assert build["state"] == "BUILD_STATE_FINISHED", build
        return build

    def wait_for_step(self, build_id, step, seconds=120):
        def started():
            build = self.build(build_id)
            assert build["state"] != "BUILD_STATE_FINISHED", f"ended before {step}: {build}"
            return any(entry["name"] == step for entry in build.get("steps", []))

        wait_for(f"step {step} of {build_id}", started, seconds)

    def events(self, build_id):
        """The build's events as they come, to its end; a dict for each, as protobuf's JSON has it."""
        environment = dict(os.environ, ROOTWRIGHT_MASTER=self.master_address)
        with subprocess.Popen(
            [BIN / "rootwright", "--json", "build", "watch", build_id], stdout=subprocess.PIPE, cwd=self.folder, env=environment
        ) as watch:
            try:
                for line in watch.stdout:
                    yield json.loads(line).get("event", {})
            finally:
                watch.kill()

    def cancel(self, build_id):
        done = self.cli("build", "cancel", build_id)
        assert done.returncode == 0, done.stderr

    def log(self, build_id, step):
        shown = self.cli("build", "log", build_id, step)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    def wait_for_log(self, build_id, step, text, seconds=120):
        wait_for(f"'{text}' in the log of {step}", lambda: text in self.cli("build", "log", build_id, step).stdout, seconds)

    def virsh(self, *words, check=True):
        return subprocess.run(
            ["virsh", "-c", self.uri, *words], capture_output=True, text=True, check=check, timeout=60
        )

    def domains(self):
        return [line for line in self.virsh("list", "--all", "--name").stdout.split() if line.startswith("rootwright-")]

    def containers(self):
        """Names of the containers of this farm."""
        listed = subprocess.run(
            ["virsh", "-c", self.uri.replace("qemu+", "lxc+", 1), "list", "--all", "--name"],
            capture_output=True, text=True, check=True, timeout=60,
        )
        return listed.stdout.split()

    def mounts(self):
        """What is mounted in agents' work folders."""
        lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        places = [line.split()[4] for line in lines]
        return [place for place in places if place.startswith(f"{self.folder}/") and "/work/" in place]

    def machines(self):
        """Process ids of the QEMU machines of this farm."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    words = (entry / "cmdline").read_bytes()
                    if b"qemu-system" in words.split(b"\0")[0] and str(self.folder).encode() in words:
                        found.append(int(entry.name))
        return found

    def repository(self, files, name="spec", links=()):
        """A git repository with these files (path → content) and symbolic links (path, target); returns its folder."""
        folder = self.folder / "repositories" / name
        folder.mkdir(parents=True, exist_ok=True)
        git = ["git", "-C", folder, "-c", "user.name=test", "-c", "user.email=test@localhost"]
        if not (folder / ".git").exists():
            subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        for path, target in links:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "test", "--allow-empty"], check=True)
        return folder

    # --- the end ---

    def leftovers(self):
        """What builds left behind: machines, domains, mounts, files of builds in the agents' folders."""
        left = [f"machine {pid}" for pid in self.machines()]
        if self.libvirtd and self.libvirtd.running():
            left += [f"domain {name}" for name in self.domains()]
        left += [
            f"mount {line.split()[4]}"
            for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
            if f"{self.folder}/" in line.split()[4]
        ]
        for name in self.agents:
            left += [f"file {path}" for path in (self.folder / name).glob("work/*")]
        return left

    def stop(self, check=True):
        problems = []
        with contextlib.suppress(Exception):
            if check:
                wait_for("no build's leftovers", lambda: not self.leftovers(), 20)
        if check:
            problems += self.leftovers()
        for program in [*self.agents.values(), self.master]:
            if program:
                try:
                    program.end()
                except AssertionError as error:
                    problems.append(str(error))
                problems += program.sanitizer_reports()
        if self.libvirtd and self.libvirtd.running():
            for name in self.domains():
                self.virsh("destroy", name, check=False)
        if self.libvirtd:
            self.libvirtd.end()
            # What it held, and the mount that it shares.
            subprocess.run([SOURCE / "ci/private-libvirtd", "--end", self.folder / "libvirt"], check=False, timeout=60)
        for pid in self.machines():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not check:
            for program in [*self.agents.values(), self.master, self.libvirtd]:
                if program:
                    print(f"--- end of {program.name}'s log ---\n{program.tail()}")
        shutil.rmtree(self.folder, ignore_errors=True)
        if check and problems:
            raise AssertionError("left behind: " + "; ".join(problems))
