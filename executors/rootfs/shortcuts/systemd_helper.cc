#include "executors/rootfs/shortcuts/systemd_helper.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/rootfs/shortcuts/stand_in.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

constexpr char kProgram[] = "/usr/bin/deb-systemd-helper";

// Links and state files as the original (init-system-helpers 1.65) makes them for a system
// without systemctl, with shell builtins where it can.
constexpr char kScript[] = R"(#!/bin/sh
arguments=$*
quiet=no
[ "$1" != --quiet ] || { quiet=yes; shift; }
action=$1 unit=$2
original() { exec ORIGINAL $arguments; }
[ $# = 2 ] && [ -z "$DPKG_ROOT" ] && [ -n "$DPKG_MAINTSCRIPT_PACKAGE" ] || original
case $unit in ''|*[!A-Za-z0-9@._-]*) original ;; esac
states=/var/lib/systemd/deb-systemd-helper-enabled
state=$states/$unit.dsh-also

# Sets `links` to the links that the unit's [Install] section asks for, one a line.
read_links() {
  path=
  for folder in /etc/systemd/system /lib/systemd/system /usr/lib/systemd/system; do
    [ ! -f "$folder/$unit" ] || { path=$folder/$unit; break; }
  done
  [ -n "$path" ] || original
  links= wants=
  while read -r line || [ -n "$line" ]; do
    value=${line#*=}
    case $line in
      WantedBy=*|RequiredBy=*)
        suffix=wants
        [ "${line%%=*}" = WantedBy ] || suffix=requires
        case $value in *[!A-Za-z0-9@._\ -]*) original ;; esac
        for target in $value; do wants="$wants/etc/systemd/system/$target.$suffix/$unit
"; done ;;
      Alias=*)
        case $value in *[!A-Za-z0-9@._-]*) original ;; esac
        [ "$value" = "$unit" ] || links="$links/etc/systemd/system/$value
" ;;
      Also=*|DefaultInstance=*) original ;;
      [Ww][Aa][Nn][Tt][Ee][Dd]*=*|[Rr][Ee][Qq][Uu][Ii][Rr][Ee][Dd]*=*|[Aa][Ll][Ii][Aa][Ss]=*|[Aa][Ll][Ss][Oo]=*|[Dd][Ee][Ff][Aa][Uu][Ll][Tt][Ii]*=*)
        original ;;
    esac
  done < "$path"
  links=$links$wants
}

case $action in
  unmask)
    [ -e "/etc/systemd/system/$unit" ] || exit 0
    original ;;
  debian-installed)
    [ -f "$state" ] || exit 1 ;;
  was-enabled)
    answer=enabled
    if [ -f "$state" ]; then
      while read -r link; do [ -h "$link" ] || answer=disabled; done < "$state"
    fi
    [ $quiet = yes ] || echo $answer >&2
    [ $answer = enabled ] || exit 1 ;;
  enable)
    [ ! -x /usr/bin/systemctl ] && [ ! -e "$state" ] || original
    read_links
    [ -d "$states" ] || [ -z "$links" ] || mkdir -p "$states"
    IFS='
'
    for link in $links; do
      echo "$link" >> "$state"
      marker=$states/${link#/etc/systemd/system/}
      [ ! -e "$marker" ] || continue
      [ -d "${link%/*}" ] || mkdir -p "${link%/*}"
      [ -h "$link" ] || ln -s "$path" "$link" || exit 1
      [ -d "${marker%/*}" ] || mkdir -p "${marker%/*}"
      : >> "$marker"
    done ;;
  update-state)
    read_links
    [ -d "$states" ] || mkdir -p "$states"
    printf %s "$links" > "$state" ;;
  *) original ;;
esac
exit 0
)";

class SystemdHelper : public Shortcut {
 public:
  std::string name() const override { return "systemd-helper"; }
  std::string description() const override {
    return "a small script stands in for deb-systemd-helper while packages are configured";
  }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    if (!IsFileInTree(context.tree, kProgram)) return std::nullopt;
    std::string script = kScript;
    constexpr absl::string_view kPlace = "ORIGINAL";
    script.replace(script.find(kPlace.data()), kPlace.size(), absl::StrCat("'", OriginalOf(kProgram), "'"));
    RW_ASSIGN_OR_RETURN(std::string undo, StandIn(context.tree, kProgram, script));
    return UsedShortcut{name(), "stand-in while packages are configured", std::move(undo), {}};
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakeSystemdHelper() { return std::make_unique<SystemdHelper>(); }

}  // namespace rootwright
