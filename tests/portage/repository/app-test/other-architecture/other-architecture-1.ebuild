EAPI=8

DESCRIPTION="For riscv64 only, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="riscv64"
