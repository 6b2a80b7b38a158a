# shellcheck shell=bash
# What ci/quickstart, ci/test and ci/bench share. Source it; it sets ROOT and changes to it.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1

# Compiles of the same source in another checkout hit the cache too.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
# Images and packages, by digest; shared by every checkout on this host.
export ROOTWRIGHT_CACHE=${ROOTWRIGHT_CACHE:-/var/cache/rootwright}

say() { printf '%s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# tracked PATTERN… : the files that Git lists; one whose removal is not committed yet is left out.
tracked() {
  comm -23 <(git ls-files "$@" | sort) <(git ls-files --deleted "$@" | sort)
}

# packages PURPOSE… : the names from ci/debian-packages.
packages() {
  local purpose
  for purpose in "$@"; do sed -n "s/^$purpose: //p" ci/debian-packages; done | tr ' ' '\n' | sort -u
}

missing_packages() {
  comm -23 <(packages "$@") <(dpkg-query -W -f '${db:Status-Abbrev}${binary:Package}\n' 2>/dev/null |
    sed -n 's/^ii *//p' | sed 's/:.*//' | sort -u)
}

# Programs that a host may have from elsewhere than Debian.
already_there() {
  case $1 in
    golang-go) command -v go >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    *) false ;;
  esac
}

# install_packages PURPOSE… : installs what is missing, as root; says what when it cannot.
install_packages() {
  local package wanted=()
  for package in $(missing_packages "$@"); do already_there "$package" || wanted+=("$package"); done
  [ ${#wanted[@]} -eq 0 ] && return 0
  if [ "$(id -u)" != 0 ]; then
    die "these packages are missing, and installing needs root: apt-get install ${wanted[*]}"
  fi
  command -v apt-get >/dev/null || die "this is not Debian; missing: ${wanted[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update && apt-get -q install -y --no-install-recommends "${wanted[@]}"
}

# check_host : what no package brings; within seconds, before anything long.
check_host() {
  [ "$(id -u)" = 0 ] || die "run this as root: libvirt's system machines and package ownership need it"
  grep -q '^VERSION_ID="12"' /etc/os-release || say "warning: made for Debian 12; this is $(. /etc/os-release && echo "$PRETTY_NAME")"
  [ "$(uname -m)" = x86_64 ] || die "the build host must be amd64; this is $(uname -m)"
  local free
  free=$(df --output=avail -k "$ROOT" | tail -n 1)
  [ "$free" -gt 6000000 ] || die "disk: $((free / 1024)) MiB free in $ROOT, 6000 MiB wanted; free some space"
}

# wait_for_lock DESCRIPTOR WHAT : the descriptor is open on the lock's file and stays so; what runs under it closes its copy.
wait_for_lock() {
  flock -n "$1" && return 0
  say "waiting: $2"
  flock "$1"
}

# show_progress COMMAND… : a build with Ninja: its own line on a terminal; elsewhere a line each 10 %, and all it has to say.
show_progress() {
  if [ -t 1 ]; then
    NINJA_STATUS='[%f/%t] ' "$@"
  else
    NINJA_STATUS='[%f/%t] ' "$@" | awk -F '[][/]' '
      !/^\[[0-9]+\/[0-9]+\] / { print; fflush(); next }
      int(10 * $2 / $3) > tenth { tenth = int(10 * $2 / $3); printf "  %d of %d\n", $2, $3; fflush() }'
  fi
}

jobs_for_build() {
  # gRPC's headers take 1.5 GiB a compile at the worst.
  local by_memory
  by_memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  local cores
  cores=$(nproc)
  [ "$by_memory" -lt 1 ] && by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}
