#include "vmimages/kernel_modules.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {

namespace fs = std::filesystem;

std::string ModuleNameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash != absl::string_view::npos) path.remove_prefix(slash + 1);
  std::string name(path.substr(0, path.find('.')));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

absl::StatusOr<std::vector<std::string>> ModuleNeeds(absl::string_view module) {
  // Looked for in the whole file: that works for every word size and byte order, and no
  // other section has strings of this form.
  constexpr absl::string_view kKey("\0depends=", 9);
  const size_t start = module.find(kKey);
  if (start == absl::string_view::npos)
    return absl::DataLossError("not a kernel module: it has no 'depends='");
  module.remove_prefix(start + kKey.size());
  const size_t end = module.find('\0');
  if (end == absl::string_view::npos)
    return absl::DataLossError("not a kernel module: 'depends=' does not end");
  std::vector<std::string> needs;
  for (const absl::string_view name : absl::StrSplit(module.substr(0, end), ',', absl::SkipEmpty())) {
    needs.push_back(ModuleNameOf(name));
  }
  return needs;
}

absl::StatusOr<KernelModules> KernelModules::Read(const fs::path& folder) {
  KernelModules modules;
  RW_ASSIGN_OR_RETURN(const std::string builtin, ReadFile(folder / "modules.builtin"));
  for (const absl::string_view line : absl::StrSplit(builtin, '\n', absl::SkipWhitespace())) {
    modules.builtin_.insert(ModuleNameOf(absl::StripAsciiWhitespace(line)));
  }
  std::error_code error;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.path().extension() == ".ko") modules.files_[ModuleNameOf(entry.path().string())] = entry.path();
  }
  if (error) return ErrnoStatus(error.value(), "list kernel modules in", folder.string());
  return modules;
}

absl::StatusOr<std::vector<fs::path>> KernelModules::LoadOrder(const std::vector<std::string>& wanted) const {
  std::set<std::string> seen;
  std::vector<fs::path> order;
  for (const std::string& name : wanted) RW_RETURN_IF_ERROR(Visit(ModuleNameOf(name), seen, order));
  return order;
}

absl::Status KernelModules::Visit(const std::string& name, std::set<std::string>& seen,
                                  std::vector<fs::path>& order) const {
  if (builtin_.contains(name) || !seen.insert(name).second) return absl::OkStatus();
  const auto file = files_.find(name);
  if (file == files_.end()) {
    return absl::NotFoundError(absl::StrCat("find kernel module: ", name, ": this kernel does not have it"));
  }
  RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(file->second));
  const absl::StatusOr<std::vector<std::string>> needs = ModuleNeeds(content);
  if (!needs.ok())
    return Annotate(needs.status(), absl::StrCat("read kernel module: ", file->second.string()));
  for (const std::string& needed : *needs) RW_RETURN_IF_ERROR(Visit(needed, seen, order));
  order.push_back(file->second);
  return absl::OkStatus();
}

}  // namespace rootwright
