#include "vmimages/image_description.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace rootwright {
namespace {

using nlohmann::json;

constexpr char kDigest[] = "digest";

json ToJsonValue(const ImageDescription& description) {
  json files = json::array();
  for (const ImageDescription::File& file : description.files) {
    files.push_back({{"name", file.name}, {"size_bytes", file.size_bytes}, {"sha256", file.sha256}});
  }
  json packages = json::array();
  for (const ImageDescription::Package& package : description.packages) {
    packages.push_back(
        {{"name", package.name}, {"version", package.version}, {"architecture", package.architecture}});
  }
  return {{"name", description.name},
          {"recipe", description.recipe},
          {"recipe_digest", description.recipe_digest},
          {"guest_sha256", description.guest_sha256},
          {"kernel_release", description.kernel_release},
          {"files", files},
          {"packages", packages},
          {"tools", description.tools}};
}

std::string Dump(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

// Throws what nlohmann throws when a field is missing or has another type.
ImageDescription FromJsonValue(const json& value) {
  ImageDescription description{.name = value.at("name"),
                               .recipe = value.at("recipe"),
                               .recipe_digest = value.at("recipe_digest"),
                               .guest_sha256 = value.at("guest_sha256"),
                               .kernel_release = value.at("kernel_release"),
                               .files = {},
                               .packages = {},
                               .tools = value.at("tools")};
  for (const json& file : value.at("files")) {
    // Not as a number of any kind: one beyond int64_t's range must not be converted.
    const auto size = file.at("size_bytes").get_ref<const json::number_unsigned_t&>();
    description.files.push_back(
        {.name = file.at("name"), .size_bytes = static_cast<int64_t>(size), .sha256 = file.at("sha256")});
  }
  for (const json& package : value.at("packages")) {
    description.packages.push_back({.name = package.at("name"),
                                    .version = package.at("version"),
                                    .architecture = package.at("architecture")});
  }
  return description;
}

absl::Status Damaged(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("read image description: image.json: ", why));
}

}  // namespace

std::string DigestOf(const ImageDescription& description) {
  return Sha256::Of(Dump(ToJsonValue(description), -1));
}

std::string ToJson(const ImageDescription& description) {
  json value = ToJsonValue(description);
  value[kDigest] = DigestOf(description);
  return Dump(value, 2) + "\n";
}

absl::StatusOr<ImageDescription> ParseImageDescription(absl::string_view text) {
  try {
    const json value = json::parse(text.begin(), text.end());
    const ImageDescription description = FromJsonValue(value);
    if (value.at(kDigest) != DigestOf(description)) return Damaged("does not have the digest that it claims");
    for (const ImageDescription::File& file : description.files) {
      if (file.name.empty() || file.name[0] == '.' || file.name.find('/') != std::string::npos) {
        return Damaged(absl::StrCat("'", file.name, "' is not the name of a file in its folder"));
      }
    }
    return description;
  } catch (const json::exception& error) {
    return Damaged(error.what());
  }
}

}  // namespace rootwright
