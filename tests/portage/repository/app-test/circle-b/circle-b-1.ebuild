EAPI=8

DESCRIPTION="The other half"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
DEPEND="app-test/circle-a"
