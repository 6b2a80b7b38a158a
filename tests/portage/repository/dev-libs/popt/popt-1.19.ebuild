EAPI=8

DESCRIPTION="Options of command lines; autotools, a library with a dependant"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/p/popt/popt_${PV}+dfsg.orig.tar.xz"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64"
IUSE="nls static-libs"
RDEPEND="virtual/libc"

src_configure() {
	econf $(use_enable nls) $(use_enable static-libs static)
}
src_install() {
	default
	find "${ED}" -name '*.la' -delete || die
}
