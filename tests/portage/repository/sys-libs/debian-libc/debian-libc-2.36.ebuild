EAPI=8

DESCRIPTION="The C library of the Debian root in which this is built, so that a separate ROOT can run"
HOMEPAGE="https://www.debian.org/"
LICENSE="LGPL-2.1+"
SLOT="0"
KEYWORDS="amd64 arm64"
S="${WORKDIR}"

# What a C or C++ program needs while it runs; the files are taken from the build root as they are.
src_install() {
	local package path
	for package in libc6 libgcc-s1 libstdc++6; do
		while read -r path; do
			case ${path} in
				*/gconv/*) continue ;;
				/lib/*.so*|/usr/lib/*.so*|/lib64/*.so*) ;;
				*) continue ;;
			esac
			[[ -d ${path} ]] && continue
			mkdir -p "${D}${path%/*}" && cp -a "${path}" "${D}${path}" || die "${path} cannot be copied"
		done < <(dpkg-query -L "${package}" || die "${package} is not in the build root")
	done
	[[ -n $(ls "${D}") ]] || die "nothing found"
}
