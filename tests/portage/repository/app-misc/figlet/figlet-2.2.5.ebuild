EAPI=8

DESCRIPTION="Large letters made of small ones; a plain Makefile"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/f/figlet/figlet_${PV}.orig.tar.gz"
LICENSE="BSD"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="virtual/libc"

src_compile() {
	emake CC="${CHOST}-gcc" LD="${CHOST}-gcc" CFLAGS="${CFLAGS} -DTLF_FONTS" prefix="${EPREFIX}/usr"
}
src_install() {
	emake DESTDIR="${D}" prefix="${EPREFIX}/usr" MANDIR="${EPREFIX}/usr/share/man" install
	einstalldocs
}
