EAPI=8

DESCRIPTION="Half of a circle of build dependencies, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
DEPEND="app-test/circle-b"
