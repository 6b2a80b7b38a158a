#include "tests/portage/portage_image.h"

#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

absl::Status Execute(const std::vector<std::string>& argv) {
  SubprocessSpec spec;
  spec.argv = argv;
  return CheckSubprocess(spec, Deadline::In(absl::Minutes(15)), {}).status();
}

// Of everything that it is made from.
absl::StatusOr<std::string> DigestOf(const fs::path& source) {
  Sha256 sha;
  std::set<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source / "images/portage"))
    if (entry.is_regular_file() && entry.path().filename() != "README.md") files.insert(entry.path());
  for (const fs::path& file : files) {
    RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(file));
    sha.Update(absl::StrCat(file.lexically_relative(source).string(), "\n", content));
  }
  return sha.Digest();
}

absl::Status Build(const fs::path& source, const fs::path& archive) {
  RW_RETURN_IF_ERROR(MakeFolders(archive.parent_path()));
  // Made elsewhere, so that a test that is killed leaves nothing large in the cache.
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder,
                      ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "portage-image-"));
  const fs::path specification = folder.path() / "specification";
  RW_RETURN_IF_ERROR(
      Execute({(source / "images/portage/make-specification").string(), specification.string()}));
  const std::string made = (folder.path() / "image.tar.zst").string();
  RW_RETURN_IF_ERROR(Execute(
      {fs::canonical("/proc/self/exe").parent_path() / "portage-root", specification.string(), made}));
  const std::string unfinished = absl::StrCat(archive.string(), ".", getpid());
  fs::copy_file(made, unfinished);
  fs::rename(unfinished, archive);
  return absl::OkStatus();
}

}  // namespace

absl::Status UnpackPortageImage(const fs::path& folder) {
  const fs::path source = fs::absolute(Variable("ROOTWRIGHT_SOURCE", "."));
  RW_ASSIGN_OR_RETURN(const std::string digest, DigestOf(source));
  const fs::path archive = fs::path(Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright")) / "portage" /
                           (digest.substr(0, 16) + ".tar.zst");
  if (!fs::exists(archive)) RW_RETURN_IF_ERROR(Build(source, archive));
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  return Execute({"tar", "--numeric-owner", "-p", "-xf", archive.string(), "-C", folder.string()});
}

}  // namespace rootwright
