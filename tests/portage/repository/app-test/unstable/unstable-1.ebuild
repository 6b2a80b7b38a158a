EAPI=8

DESCRIPTION="Not called stable on any architecture, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="~amd64 ~arm64"
