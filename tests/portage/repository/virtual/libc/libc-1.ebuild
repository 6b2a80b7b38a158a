EAPI=8

DESCRIPTION="The C library"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="sys-libs/debian-libc"
