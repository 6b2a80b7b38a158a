EAPI=8

DESCRIPTION="Is merged, and fails in pkg_postinst, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
S="${WORKDIR}"

src_install() {
	echo "merged" >note || die
	insinto /usr/share/fails-in-postinst
	doins note
}
pkg_postinst() {
	die "the board is not connected"
}
