#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/subprocess.h"
#include "executors/rootfs/apt/debian_root.h"

namespace rootwright {

// "Unpacks" a root that works at once: the test machine's own shell and a few of its programs
// with their libraries, and a dpkg that says what the real one says. Packages called
// "missing…" cannot be resolved.
class FakeDebianRoot : public DebianRoot {
 public:
  absl::StatusOr<AptPlan> Resolve(const AptSettings& settings, const std::vector<RequestedPackage>& packages,
                                  Deadline, std::stop_token) override {
    if (!resolve_status.ok()) return resolve_status;
    AptPlan plan;
    for (const RequestedPackage& package : packages) {
      if (package.name.find("missing") == 0) {
        plan.unresolved.push_back(
            {package.name, absl::StrCat("no such package in ", settings.suite, " main")});
      }
      plan.packages.push_back({package.name, "1.0", "all", "", 10, 20, ""});
    }
    if (!plan.unresolved.empty()) plan.packages.clear();
    return plan;
  }

  absl::StatusOr<std::vector<std::filesystem::path>> Download(const AptSettings&, const AptPlan&,
                                                              const Apt::Progress&, Deadline,
                                                              std::stop_token) override {
    return std::vector<std::filesystem::path>();
  }

  absl::Status Unpack(const AptPlan& plan, const std::vector<std::filesystem::path>&,
                      const std::filesystem::path& tree, const Apt::Progress&, Deadline deadline,
                      std::stop_token stop) override {
    SubprocessSpec spec;
    spec.argv = {"/bin/sh", "-ec", kMakeTree, "make", tree.string()};
    const absl::StatusOr<SubprocessResult> made = CheckSubprocess(spec, deadline, stop);
    if (!made.ok()) return made.status();
    std::ofstream status(tree / "var/lib/dpkg/status");
    for (const DebianPackage& package : plan.packages) {
      status << "Package: " << package.name
             << "\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0\n\n";
    }
    std::ofstream(tree / "usr/bin/dpkg") << (dpkg.empty() ? kDpkg : dpkg);
    chmod((tree / "usr/bin/dpkg").c_str(), 0755);
    return absl::OkStatus();
  }

  absl::Status resolve_status;
  // Replaces the script that plays dpkg.
  std::string dpkg;

 private:
  static constexpr char kMakeTree[] =
      R"sh(mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64" "$1/proc" "$1/sys" "$1/tmp" \
  "$1/var/tmp" "$1/etc" "$1/var/lib/dpkg/info" "$1/run/lock"
for link in bin sbin lib lib64; do ln -s usr/$link "$1/$link"; done
for program in sh cat rm mkdir tar grep ls cp mv echo chmod chown; do
  cp -L "/bin/$program" "$1/usr/bin/$program"
  ldd "/bin/$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$1$(dirname "$library")"
    cp -Ln "$library" "$1$library"
  done
done
)sh";
  static constexpr char kDpkg[] = R"sh(#!/bin/sh
case $* in
  *--audit*) ;;
  *--configure*)
    while read -r field value; do
      [ "$field" != Package: ] || { echo "processing: configure: $value" >&3; echo "Setting up $value"; echo "status: $value: installed" >&3; }
    done < /var/lib/dpkg/status ;;
esac
)sh";
};

}  // namespace rootwright
