EAPI=8

DESCRIPTION="Wants a package that nobody has, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND=">=dev-libs/nowhere-2"
