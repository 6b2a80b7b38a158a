EAPI=8

DESCRIPTION="Fails in src_install, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
S="${WORKDIR}"

src_install() {
	dobin nowhere
}
