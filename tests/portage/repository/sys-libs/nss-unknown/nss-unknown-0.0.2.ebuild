EAPI=8

inherit meson-build

DESCRIPTION="A name for users without one; meson"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/libn/libnss-unknown/libnss-unknown_${PV}.orig.tar.gz"
S="${WORKDIR}/libnss-unknown-v${PV}"
LICENSE="LGPL-2.1+"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="virtual/libc"
