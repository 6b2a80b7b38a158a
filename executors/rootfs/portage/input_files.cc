#include "executors/rootfs/portage/input_files.h"

#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/spec/overlay.h"

namespace rootwright {

// tar follows links to folders inside the root (/lib → usr/lib) and leaves the modes of folders that exist
// alone, as the host's writer of overlays does. A pipe has only the reader's status. A file's last line may
// lack its end.
const char kLayInputFiles[] = R"sh(inputs=$1
lay() {
  { tar -C "$inputs/$1" -c . || : >/run/rootwright/broken; } |
    tar -x -C / --keep-directory-symlink --no-overwrite-dir
  [ ! -e /run/rootwright/broken ]
}
append() {
  (cd "$inputs/$1"; find . -type f) | while IFS= read -r file; do
    mkdir -p "/${file%/*}"
    [ ! -s "/$file" ] || [ -z "$(tail -c 1 "/$file")" ] || echo >>"/$file"
    cat "$inputs/$1/$file" >>"/$file"
  done
}
lay before
append before-append
lay pre_install_overlay
lay after
append after-append
[ -z "$2" ] || mkdir -p "$2"
)sh";

const char kLayOverlay[] = R"sh(overlay=$1 into=$2
if [ -n "$into" ]; then
  (cd "$overlay"; find . -type d) | while IFS= read -r folder; do
    [ ! -L "$into/$folder" ] || case $(readlink "$into/$folder") in
      /*) echo "${folder#.}: a link to $(readlink "$into/$folder"), which leads out of the product" >&2; exit 1;;
    esac
  done
fi
{ tar -C "$overlay" -c . || : >/run/rootwright/broken; } |
  tar -x -C "$into/" --keep-directory-symlink --no-overwrite-dir
[ ! -e /run/rootwright/broken ]
)sh";

absl::Status WriteInputFiles(const std::vector<PortageFile>& settings,
                             const std::vector<TranslatedFile>& translation,
                             const std::filesystem::path& specification,
                             const std::filesystem::path& folder) {
  std::vector<PortageFile> files;
  for (PortageFile file : settings) {
    file.path = "/before" + file.path;
    files.push_back(std::move(file));
  }
  for (const TranslatedFile& file : translation) {
    std::string path = file.when == TranslatedFile::When::kBeforeOverlay ? "/before" : "/after";
    path += file.how == TranslatedFile::How::kAppend ? "-append/" : "/";
    files.push_back({path + file.path, file.content, "", 0644});
  }
  for (const char* name :
       {"before", "before-append", "after", "after-append", kPreInstallOverlay, kPostInstallOverlay})
    RW_RETURN_IF_ERROR(MakeFolders(folder / name));
  RW_RETURN_IF_ERROR(WritePortageFiles(files, folder));
  for (const char* overlay : {kPreInstallOverlay, kPostInstallOverlay})
    RW_RETURN_IF_ERROR(PlaceOverlay(specification / overlay, folder / overlay));
  return absl::OkStatus();
}

}  // namespace rootwright
