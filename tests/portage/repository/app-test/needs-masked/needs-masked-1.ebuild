EAPI=8

DESCRIPTION="Wants a masked package, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="app-test/masked"
