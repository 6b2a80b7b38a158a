EAPI=8

DESCRIPTION="Wants a flag of another package, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="app-misc/hello[nls]"
