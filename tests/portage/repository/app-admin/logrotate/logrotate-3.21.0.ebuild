EAPI=8

DESCRIPTION="Old logs go; autotools, needs a library of this repository"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/l/logrotate/logrotate_${PV}.orig.tar.gz"
LICENSE="GPL-2+"
SLOT="0"
KEYWORDS="amd64 arm64"
IUSE="+cron"
DEPEND="dev-libs/popt"
RDEPEND="${DEPEND} virtual/libc"

src_configure() {
	econf --without-acl --without-selinux
}
src_install() {
	default
	if use cron; then
		exeinto /etc/cron.daily
		doexe examples/logrotate.cron
	fi
}
