# @ECLASS: meson-build.eclass
# @DESCRIPTION: Phases of a package that builds with meson. An ebuild adds its own options as
# the array MESON_OPTIONS before it calls meson-build_src_configure.

BDEPEND="dev-build/meson dev-build/ninja"
EXPORT_FUNCTIONS src_configure src_compile src_install

meson-build_src_configure() {
	meson setup "${WORKDIR}/build" "${S}" --prefix="${EPREFIX}/usr" --libdir="$(get_libdir)" \
		--buildtype=plain --wrap-mode=nodownload "${MESON_OPTIONS[@]}" || die "meson failed"
}
meson-build_src_compile() {
	ninja -C "${WORKDIR}/build" || die "ninja failed"
}
meson-build_src_install() {
	DESTDIR="${D}" ninja -C "${WORKDIR}/build" install || die "ninja install failed"
}
