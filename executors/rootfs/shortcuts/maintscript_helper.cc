#include "executors/rootfs/shortcuts/maintscript_helper.h"

#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "executors/rootfs/shortcuts/stand_in.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

constexpr char kProgram[] = "/usr/bin/dpkg-maintscript-helper";

// As dpkg 1.21's: without an old version, preinst and postinst change nothing but what a backup beside the
// path calls for. dpkg calls `postinst configure ""` and `preinst install` on a first installation.
constexpr char kScript[] = R"(#!/bin/sh
for word; do action=$last last=$word; done
case $1,$DPKG_MAINTSCRIPT_NAME,$action,$last in
  rm_conffile,postinst,configure,|mv_conffile,postinst,configure,|symlink_to_dir,postinst,configure,|dir_to_symlink,postinst,configure,) ;;
  rm_conffile,preinst,--,install|mv_conffile,preinst,--,install|symlink_to_dir,preinst,--,install|dir_to_symlink,preinst,--,install) ;;
  *) exec ORIGINAL "$@" ;;
esac
[ -z "$DPKG_ROOT" ] && [ -n "$DPKG_MAINTSCRIPT_PACKAGE" ] || exec ORIGINAL "$@"
# A path that is not absolute, and for most a slash at its end, is a mistake that the original names.
case $2 in /*[!/]) ;; *) exec ORIGINAL "$@" ;; esac
for kept in "$2".dpkg-*; do
  if [ -e "$kept" ] || [ -h "$kept" ]; then exec ORIGINAL "$@"; fi
done
)";

class MaintscriptHelper : public Shortcut {
 public:
  std::string name() const override { return "maintscript-helper"; }
  std::string description() const override {
    return "dpkg-maintscript-helper ends early on a first installation";
  }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    if (!IsFileInTree(context.tree, kProgram)) return std::nullopt;
    RW_ASSIGN_OR_RETURN(
        std::string undo,
        StandIn(context.tree, kProgram, absl::StrReplaceAll(kScript, {{"ORIGINAL", OriginalOf(kProgram)}})));
    return UsedShortcut{name(), "stand-in while packages are configured", std::move(undo), {}};
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakeMaintscriptHelper() { return std::make_unique<MaintscriptHelper>(); }

}  // namespace rootwright
