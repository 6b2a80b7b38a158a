#include "executors/rootfs/apt/debian_root.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "debian/unpack.h"
#include "executors/rootfs/rootfs_request.h"

namespace rootwright {
namespace {

class AptDebianRoot : public DebianRoot {
 public:
  AptDebianRoot(RootfsHost host, Architecture architecture)
      : host_(std::move(host)), architecture_(architecture) {}

  absl::StatusOr<AptPlan> Resolve(const AptSettings& settings, const std::vector<RequestedPackage>& packages,
                                  Deadline deadline, std::stop_token stop) override {
    Apt apt = AptFor(settings);
    RW_RETURN_IF_ERROR(apt.Update(deadline, stop));
    std::vector<std::string> wanted;
    for (const RequestedPackage& package : packages) {
      wanted.push_back(package.version.empty() ? package.name
                                               : absl::StrCat(package.name, "=", package.version));
    }
    // As mmdebstrap's default variant has it: priorities by pattern, and apt for later.
    return apt.Resolve({"?essential", "?priority(required)", "apt"}, wanted, deadline, stop);
  }

  absl::StatusOr<std::vector<std::filesystem::path>> Download(const AptSettings& settings,
                                                              const AptPlan& plan,
                                                              const Apt::Progress& progress,
                                                              Deadline deadline,
                                                              std::stop_token stop) override {
    return AptFor(settings).Download(plan, progress, deadline, std::move(stop));
  }

  absl::Status Unpack(const AptPlan& plan, const std::vector<std::filesystem::path>& debs,
                      const std::filesystem::path& tree, const Apt::Progress& progress, Deadline deadline,
                      std::stop_token stop) override {
    UnpackOptions options;
    options.tree = tree;
    options.architecture = architecture_;
    options.unpack_program = host_.programs / "rootwright-unpack";
    return UnpackPackages(plan, debs, options, progress, deadline, std::move(stop));
  }

 private:
  Apt AptFor(const AptSettings& settings) const {
    return Apt(host_.package_cache, architecture_,
               {{host_.apt_mirror, settings.suite, settings.components, host_.apt_keyring}});
  }

  const RootfsHost host_;
  const Architecture architecture_;
};

}  // namespace

std::unique_ptr<DebianRoot> MakeAptDebianRoot(const RootfsHost& host, Architecture architecture) {
  return std::make_unique<AptDebianRoot>(host, architecture);
}

}  // namespace rootwright
