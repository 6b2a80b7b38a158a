EAPI=8

inherit cmake-build

DESCRIPTION="JSON in one C file; CMake"
HOMEPAGE="https://www.debian.org/"
SRC_URI="mirror://debian/pool/main/c/cjson/cjson_${PV}.orig.tar.gz"
S="${WORKDIR}/cJSON-${PV}"
LICENSE="MIT"
SLOT="0/1"
KEYWORDS="amd64 arm64"
IUSE="+utils static-libs"
RDEPEND="virtual/libc"

src_configure() {
	local CMAKE_OPTIONS=(
		-DENABLE_CJSON_TEST=OFF
		-DENABLE_CUSTOM_COMPILER_FLAGS=OFF
		-DENABLE_CJSON_UTILS=$(usex utils ON OFF)
		-DBUILD_SHARED_AND_STATIC_LIBS=$(usex static-libs ON OFF)
	)
	cmake-build_src_configure
}
