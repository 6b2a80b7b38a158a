#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/subprocess.h"

namespace rootwright {

// A small package for a test.
struct TestPackage {
  std::string name;
  std::string version = "1.0";
  // More lines of the control file, each with its line break.
  std::string fields;
  // Path → content.
  std::map<std::string, std::string> files;
  // Name in the control archive → content, e.g. "postinst".
  std::map<std::string, std::string> control;
  // Called on the folder before it is packed, for links and modes.
  std::function<void(const std::filesystem::path&)> finish;
};

// Makes packages with dpkg-deb below one folder.
inline std::filesystem::path MakeDeb(const std::filesystem::path& folder, const TestPackage& package) {
  const std::filesystem::path root = folder / absl::StrCat(package.name, "-root");
  const std::string control = absl::StrCat("Package: ", package.name, "\nVersion: ", package.version,
                                           "\nArchitecture: arm64\nMaintainer: Nobody <nobody@example.org>\n",
                                           package.fields, "Description: a test\n");
  std::map<std::string, std::string> files = package.files;
  files["DEBIAN/control"] = control;
  for (const auto& [name, content] : package.control) files["DEBIAN/" + name] = content;
  for (const auto& [path, content] : files) {
    EXPECT_TRUE(MakeFolders((root / path).parent_path()).ok());
    const bool script = path == "DEBIAN/preinst" || path == "DEBIAN/postinst";
    EXPECT_TRUE(WriteFileAtomically(root / path, content, script ? 0755 : 0644).ok());
  }
  if (package.finish) package.finish(root);
  const std::filesystem::path deb = folder / absl::StrCat(package.name, "_", package.version, "_arm64.deb");
  SubprocessSpec spec{
      .argv = {"dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "--build", root.string(), deb.string()}};
  const auto result = CheckSubprocess(spec, Deadline::In(absl::Minutes(1)), {});
  EXPECT_TRUE(result.ok()) << result.status();
  return deb;
}

}  // namespace rootwright
