"""What would emerge do? Runs inside a Portage environment and tells it as JSON, one object a line.

    ROOT=/target SYSROOT=/target python3 - [emerge options] atom… <plan.py

asks Portage's own resolver, exactly as `emerge --pretend` with these options does, and writes on descriptor 3:

    {"type": "package", …}   what would be merged, in order
    {"type": "file", …}      a source file that a package needs, with its addresses and digests
    {"type": "finding", …}   a reason why not, or a change that it would take
    {"type": "end", …}       always the last line; without it the answer is not whole

Portage's own words go to standard output and error as always. The exit status is 0 unless this program itself
fails. emerge_plan.h reads it and says what each field means. Written for Portage 3.0.83; what a later version keeps
elsewhere is told as a finding "other" with Portage's words.
"""

import json
import os
import shlex
import sys

import portage
from _emerge.actions import load_emerge_config
from _emerge.Blocker import Blocker
from _emerge.create_depgraph_params import create_depgraph_params
from _emerge.depgraph import backtrack_depgraph, get_mask_info
from _emerge.is_valid_package_atom import is_valid_package_atom
from _emerge.main import parse_opts
from portage.dep import check_required_use, human_readable_required_use
from portage.exception import PackageSetNotFound, PortageException

# Those of a package's own functions that run in the root it is merged into.
MERGE_PHASES = {"setup", "preinst", "postinst", "prerm", "postrm"}
OUTPUT = os.fdopen(os.dup(3), "w", encoding="utf-8", errors="replace")


def say(line_type, /, **fields):
    OUTPUT.write(json.dumps({"type": line_type, **fields}) + "\n")


def finding(kind, atom, message, required_by=(), packages=(), proposal=()):
    say("finding", kind=kind, atom=str(atom), message=message, required_by=list(required_by),
        packages=list(packages), proposal=list(proposal))


def quiet_atom(atom):
    return str(getattr(atom, "unevaluated_atom", atom)).replace("null/", "")


class Teller:
    """Tells what one resolved graph holds."""

    def __init__(self, depgraph):
        self.graph = depgraph
        self.dynamic = depgraph._dynamic_config
        self.frozen = depgraph._frozen_config
        self.files = set()
        self.found = 0

    def finding(self, *args, **fields):
        self.found += 1
        finding(*args, **fields)

    def dbapi(self, package):
        return self.frozen.roots[package.root].trees["porttree"].dbapi

    # The nodes from what wants `atom` up to what the user asked for.
    def chain(self, parent, atom=None):
        if parent is None:
            return []
        try:
            return [str(node).replace("null/", "") for node, _ in self.graph._get_dep_chain(parent, atom)]
        except (KeyError, AttributeError):
            return [str(parent)]

    def parents(self, package):
        found = []
        for parent, _ in self.dynamic._parent_atoms.get(package, ()):
            found += self.chain(package)
            break
        return found

    def with_parents(self, packages):
        return ", ".join(f"{package.cpv} (wanted by {', for '.join(self.parents(package)) or 'nobody'})"
                         for package in sorted(packages, key=lambda package: str(package.cpv)))

    # What asked for them, whichever of them it was.
    def askers(self, packages):
        return dict.fromkeys(link for package in packages for link in self.parents(package))

    def packages(self):
        for node in self.graph.altlist():
            if isinstance(node, Blocker) or getattr(node, "operation", "") != "merge":
                continue
            enabled = self.graph._pkg_use_enabled(node)
            flags = node.iuse.all
            installed = self.frozen.roots[node.root].trees["vartree"].dbapi.match(node.slot_atom)
            say("package", cpv=str(node.cpv), category=node.category, name=node.cp.split("/", 1)[1],
                version=node.version, slot=str(node.slot), sub_slot=str(node.sub_slot), repository=str(node.repo),
                root=node.root, binary=bool(node.built), use_on=sorted(flags & enabled),
                use_off=sorted(flags - enabled), replaces=[str(old) for old in installed],
                download_bytes=self.download_bytes(node),
                functions=sorted(MERGE_PHASES.intersection(node._metadata.get("DEFINED_PHASES", "").split())))
            if not node.built:
                self.source_files(node, enabled)

    def download_bytes(self, package):
        try:
            if package.built:
                return int(package._metadata.get("SIZE") or 0)
            sizes = self.dbapi(package).getfetchsizes(
                package.cpv, useflags=self.graph._pkg_use_enabled(package), myrepo=package.repo)
            return sum(sizes.values())
        except (PortageException, ValueError):
            return 0

    def source_files(self, package, enabled):
        db = self.dbapi(package)
        settings = self.frozen.pkgsettings[package.root]
        location = db.getRepositoryPath(package.repo)
        fetch_map = db.getFetchMap(package.cpv, useflags=enabled, mytree=location)
        folder = os.path.dirname(db.findname(package.cpv, mytree=location))
        manifest = settings.repositories.get_repo_for_location(location).load_manifest(
            folder, settings["DISTDIR"], thin=None)
        digests = manifest.getTypeDigests("DIST")
        for name, uris in sorted(fetch_map.items()):
            if name in self.files:
                continue
            self.files.add(name)
            known = dict(digests.get(name, {}))
            say("file", name=name, cpv=str(package.cpv), urls=self.addresses(name, uris, settings),
                size=known.pop("size", -1), digests=known,
                restricted="fetch" in package._metadata.get("RESTRICT", "").split())

    # Where a file may be had: what the ebuild says, then the general mirrors.
    @staticmethod
    def addresses(name, uris, settings):
        result = []
        third_party = settings.thirdpartymirrors()
        for uri in uris:
            if uri.startswith("mirror://"):
                mirror, _, path = uri[len("mirror://"):].partition("/")
                result += [f"{base.rstrip('/')}/{path}" for base in third_party.get(mirror, ())]
            else:
                result.append(uri)
        for base in settings.get("GENTOO_MIRRORS", "").split():
            result.append(f"{base.rstrip('/')}/distfiles/{name}")
        return list(dict.fromkeys(result))

    def masked(self, root, atom):
        """Every version that fits the atom, with what stands against it."""
        root_config = self.frozen.roots[root]
        settings = self.frozen.pkgsettings[root]
        result = []
        for db, kind, built, installed, keys in self.dynamic._filtered_trees[root]["dbs"]:
            if installed or not hasattr(db, "xmatch"):
                continue
            for cpv in reversed(db.xmatch("match-all-cpv-only", atom.without_use)):
                for repo in [atom.repo] if atom.repo else db.getRepositories(catpkg=atom.cp):
                    if not db.cpv_exists(cpv, myrepo=repo):
                        continue
                    metadata, reasons = get_mask_info(root_config, cpv, settings, db, kind, built, installed, keys,
                                                      myrepo=repo, _pkg_use_enabled=self.graph._pkg_use_enabled)
                    comment, file = portage.getmaskingreason(cpv, metadata=metadata, settings=settings,
                                                             portdb=db, return_location=True) or ("", None)
                    lines = [line.lstrip("# ") for line in (comment or "").splitlines()]
                    result.append({"cpv": f"{cpv}::{repo}", "reasons": [str(reason) for reason in reasons],
                                   "comment": " ".join(lines).strip(), "file": file or ""})
        return result

    # What would have to be written for the newest version that fits; nothing when that would not be enough.
    def way_out(self, root, packages):
        arch = self.frozen.pkgsettings[root]["ARCH"]
        ways = {"package.mask": ("package.unmask", ""), f"~{arch} keyword": ("package.accept_keywords", f" ~{arch}"),
                "missing keyword": ("package.accept_keywords", " **")}
        newest = packages[0]
        if any(reason not in ways for reason in newest["reasons"]):
            return []
        name = newest["cpv"].partition("::")[0]
        return [{"file": ways[reason][0], "line": f"={name}{ways[reason][1]}"} for reason in newest["reasons"]]

    def unsatisfied(self):
        for args, kwargs in self.dynamic._unsatisfied_deps_for_display:
            root, atom = args[0], args[1]
            parent = kwargs.get("myparent")
            self.one_unsatisfied(root, atom, self.chain(parent, atom) if parent is not None else [],
                                 kwargs.get("show_req_use"))

    def one_unsatisfied(self, root, atom, required_by, wants_use):
        name = quiet_atom(atom)
        if not getattr(atom, "package", False):
            self.finding("unknown", name, "no package provides this library", required_by=required_by)
            return
        packages = self.masked(root, atom) if not name.startswith("null/") and atom.category != "null" else []
        free = [entry for entry in packages if not entry["reasons"]]
        if wants_use is None and not atom.unevaluated_atom.use:
            wants_use = self.needs_required_use(root, atom)
        if wants_use is not None:
            unmet = check_required_use(wants_use._metadata["REQUIRED_USE"], self.graph._pkg_use_enabled(wants_use),
                                       wants_use.iuse.is_valid_flag, eapi=wants_use.eapi).tounicode()
            self.finding("required_use", name, f"{wants_use.cpv} wants {human_readable_required_use(unmet)}",
                         required_by=required_by)
        elif free and atom.unevaluated_atom.use:
            self.finding("use", name, f"no version of {atom.cp} has or may have these USE flags",
                         required_by=required_by, packages=free)
        elif packages:
            reasons = sorted({reason for entry in packages for reason in entry["reasons"]})
            self.finding("masked", name, f"every version that fits is masked: {', '.join(reasons)}",
                         required_by=required_by, packages=packages, proposal=self.way_out(root, packages))
        else:
            self.finding("unknown", name, "no repository has such a package", required_by=required_by)

    def needs_required_use(self, root, atom):
        db = self.frozen.roots[root].trees["porttree"].dbapi
        for cpv in reversed(db.xmatch("match-visible", atom.without_use)):
            package = self.graph._pkg(cpv, "ebuild", self.frozen.roots[root])
            text = package._metadata.get("REQUIRED_USE")
            if text and not check_required_use(text, self.graph._pkg_use_enabled(package),
                                               package.iuse.is_valid_flag, eapi=package.eapi):
                return package
        return None

    def proposals(self):
        keywords = {}
        for package in self.dynamic._needed_unstable_keywords:
            keywords[package] = self.frozen.pkgsettings[package.root]["ARCH"]
        for package, arch in keywords.items():
            self.propose("keyword_change", package, "package.accept_keywords", f"={package.cpv} ~{arch}")
        for package in self.dynamic._needed_p_mask_changes:
            self.propose("mask_change", package, "package.unmask", f"={package.cpv}")
        for package, (_, changes) in self.dynamic._needed_use_config_changes.items():
            words = [flag if on else f"-{flag}" for flag, on in sorted(changes.items())]
            self.propose("use_change", package, "package.use", f">={package.cpv} {' '.join(words)}")
        for package, licenses in self.dynamic._needed_license_changes.items():
            self.propose("license_change", package, "package.license", f">={package.cpv} {' '.join(sorted(licenses))}")

    def propose(self, kind, package, file, line):
        self.finding(kind, package.cpv, f"needs '{line}' in {file}", required_by=self.parents(package),
                     proposal=[{"file": file, "line": line}])

    def conflicts(self):
        for blocker in self.dynamic._unsatisfied_blockers_for_display or ():
            unwanted = portage.dep.Atom(str(blocker.atom).lstrip("!"))
            wanting = list(self.dynamic._blocker_parents.parent_nodes(blocker))
            beside = [package for package in self.dynamic._package_tracker.match(blocker.root, unwanted)
                      if package not in wanting]
            sides = [self.with_parents(side) for side in (wanting, beside)]
            self.finding("blocked", unwanted, f"{sides[0]} cannot be beside {sides[1] or unwanted}",
                         required_by=self.askers(wanting + beside))
        circle = self.dynamic._circular_deps_for_display
        if circle is not None:
            nodes = [node for node in circle.order if hasattr(node, "cpv")]
            self.finding("circular", nodes[0].cp if nodes else "",
                         f"need each other to be built: {self.with_parents(nodes)}", required_by=self.askers(nodes))
        for conflict in self.dynamic._package_tracker.slot_conflicts():
            packages = list(conflict)
            self.finding("slot_conflict", conflict.atom,
                         f"only one can be in the slot: {self.with_parents(packages)}",
                         required_by=self.askers(packages))

    def arguments(self):
        for arg, atom in self.dynamic._missing_args:
            self.finding("unknown", quiet_atom(atom), "masked, or no repository has it",
                         required_by=[str(arg)])
        for arg, atom in self.dynamic._pprovided_args:
            say("finding", kind="provided", atom=str(atom), required_by=[str(arg)], packages=[], proposal=[],
                message="the build root provides it (package.provided): not merged")


def tell(success, depgraph):
    teller = Teller(depgraph)
    for part in (teller.unsatisfied, teller.proposals, teller.conflicts, teller.arguments):
        try:
            part()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, PortageException) as error:
            # The resolver's insides are not what was expected: its own words have to do.
            print(f"plan: {part.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
    if success and teller.found == 0:
        teller.packages()
    else:
        depgraph.display_problems()
        if teller.found == 0:
            finding("other", "", "Portage cannot resolve it; its own words are in the log")
    return success and teller.found == 0


def main():
    arguments = sys.argv[1:]
    portage.output.havecolor = 0
    action, options, files = parse_opts(["--pretend", *arguments])
    # As emerge does before it reads its configuration.
    for option, variable in (("--root", "ROOT"), ("--sysroot", "SYSROOT"), ("--config-root", "PORTAGE_CONFIGROOT")):
        if option in options:
            os.environ[variable] = options[option]
    config = load_emerge_config(action=action, args=files, opts=options)
    defaults = shlex.split(config.target_config.settings.get("EMERGE_DEFAULT_OPTS", ""))
    if defaults:
        action, config.opts, config.args = parse_opts([*defaults, "--pretend", *arguments])
    for option in ("--ask", "--quiet-build", "--jobs"):
        config.opts.pop(option, None)
    invalid = [name for name in config.args if not name.startswith("@") and not is_valid_package_atom(name, True)]
    for name in invalid:
        finding("invalid", name, "this is no package name")
    if invalid:
        say("end", ok=False, portage=portage.VERSION)
        return
    try:
        success, graph, _ = backtrack_depgraph(
            config.target_config.settings, config.trees, config.opts,
            create_depgraph_params(config.opts, action), action, config.args, None)
        whole = tell(success, graph)
    except PackageSetNotFound as error:
        finding("unknown", f"@{error.value}", "there is no such set")
        whole = False
    except portage.exception.AmbiguousPackageName as error:
        names = [str(name) for name in error.args[0]]
        finding("ambiguous", names[0] if names else "", f"fits several packages: {', '.join(names)}")
        whole = False
    say("end", ok=bool(whole), portage=portage.VERSION)
    OUTPUT.flush()


main()
