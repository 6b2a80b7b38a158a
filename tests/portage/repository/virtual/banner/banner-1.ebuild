EAPI=8

DESCRIPTION="Something that writes large letters"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
RDEPEND="|| ( app-misc/figlet app-misc/toilet )"
