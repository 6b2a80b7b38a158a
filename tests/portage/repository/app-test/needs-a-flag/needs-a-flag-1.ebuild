EAPI=8

DESCRIPTION="Wants exactly one of two flags, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
IUSE="left right"
REQUIRED_USE="^^ ( left right )"
