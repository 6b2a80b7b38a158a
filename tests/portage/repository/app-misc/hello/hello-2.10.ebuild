EAPI=8

DESCRIPTION="A greeting, with a long configure: the package worth a binary cache"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/h/hello/hello_${PV}.orig.tar.gz"
LICENSE="GPL-3+"
SLOT="0"
KEYWORDS="amd64 arm64"
IUSE="nls"
RDEPEND="virtual/libc"

src_configure() {
	econf $(use_enable nls)
}
