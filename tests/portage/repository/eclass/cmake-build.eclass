# @ECLASS: cmake-build.eclass
# @DESCRIPTION: Phases of a package that builds with CMake. An ebuild adds its own options as
# the array CMAKE_OPTIONS before it calls cmake-build_src_configure.

BDEPEND="dev-build/cmake dev-build/ninja"
EXPORT_FUNCTIONS src_configure src_compile src_install

cmake-build_src_configure() {
	cmake -S "${S}" -B "${WORKDIR}/build" -G Ninja -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_INSTALL_PREFIX="${EPREFIX}/usr" -DCMAKE_INSTALL_LIBDIR="$(get_libdir)" \
		-DCMAKE_C_FLAGS="${CPPFLAGS} ${CFLAGS}" -DCMAKE_SHARED_LINKER_FLAGS="${LDFLAGS}" \
		-DCMAKE_EXE_LINKER_FLAGS="${LDFLAGS}" "${CMAKE_OPTIONS[@]}" || die "cmake failed"
}
cmake-build_src_compile() {
	ninja -C "${WORKDIR}/build" || die "ninja failed"
}
cmake-build_src_install() {
	DESTDIR="${D}" ninja -C "${WORKDIR}/build" install || die "ninja install failed"
}
