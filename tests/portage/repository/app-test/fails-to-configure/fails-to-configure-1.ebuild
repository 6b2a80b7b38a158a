EAPI=8

DESCRIPTION="Fails in src_configure, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
S="${WORKDIR}"

src_configure() {
	echo "checking for a flux capacitor... no"
	die "configure found no flux capacitor"
}
