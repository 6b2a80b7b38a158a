EAPI=8

DESCRIPTION="Fails in src_compile with what a compiler says, for the tests"
HOMEPAGE="https://www.debian.org/"
LICENSE="metapackage"
SLOT="0"
KEYWORDS="amd64 arm64"
S="${WORKDIR}"

src_compile() {
	printf 'int main(void) { return gret(); }\n' >greeter.c || die
	emake CC="${CHOST}-gcc" CFLAGS="${CFLAGS} -Werror=implicit-function-declaration" greeter
}
