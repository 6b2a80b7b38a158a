#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "archive/tar_writer.h"
#include "executors/rootfs/portage/stream_digests.h"

namespace rootwright {

// An archive of these files, in order.
inline std::string MakeTar(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes;
  auto writer = TarWriter::Create([&](absl::string_view data) {
    bytes.append(data.data(), data.size());
    return absl::OkStatus();
  });
  for (const auto& [path, content] : files) {
    TarEntry entry;
    entry.path = path;
    entry.mode = 0644;
    entry.size = static_cast<int64_t>(content.size());
    (*writer)->Add(entry).IgnoreError();
    (*writer)->Write(content).IgnoreError();
  }
  (*writer)->Close().IgnoreError();
  return bytes;
}

// The line of a Manifest for a member.
inline std::string ManifestLine(const std::string& name, const std::string& content) {
  StreamDigests digests({"BLAKE2B", "SHA512"});
  digests.Update(content);
  auto found = digests.Finish();
  return absl::StrCat("DATA ", name, " ", content.size(), " BLAKE2B ", found["BLAKE2B"], " SHA512 ",
                      found["SHA512"], "\n");
}

// A package as Portage makes them, of a virtual by these fields; `image` stands for what is in it.
inline std::string MakeGpkg(const std::map<std::string, std::string>& fields, const std::string& ebuild,
                            const std::string& image) {
  std::vector<std::pair<std::string, std::string>> metadata;
  for (const auto& [name, value] : fields) metadata.emplace_back("metadata/" + name, value + "\n");
  const std::string pf = fields.count("PF") != 0 ? fields.at("PF") : "nothing-1";
  metadata.emplace_back("metadata/" + pf + ".ebuild", ebuild);
  metadata.emplace_back("metadata/environment.bz2", std::string(200, 'e'));
  const std::string metadata_tar = MakeTar(metadata);
  const std::string folder =
      absl::StrCat(pf, "-", fields.count("BUILD_ID") != 0 ? fields.at("BUILD_ID") : "1", "/");
  return MakeTar(
      {{folder + "gpkg-1", ""},
       {folder + "metadata.tar", metadata_tar},
       {folder + "image.tar.zst", image},
       {folder + "Manifest", ManifestLine("gpkg-1", "") + ManifestLine("metadata.tar", metadata_tar) +
                                 ManifestLine("image.tar.zst", image)}});
}

}  // namespace rootwright
