#include "executors/rootfs/portage/json_fields.h"

#include <cmath>

namespace rootwright {
namespace {

using nlohmann::json;

constexpr size_t kLongestText = 65536;

const json* Find(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string Shown(const std::string& text) {
  std::string shown = text.substr(0, kLongestText);
  for (char& c : shown) {
    if (const auto byte = static_cast<unsigned char>(c); byte < ' ' || byte == 0x7f)
      c = byte == '\t' ? ' ' : '?';
  }
  return shown;
}

}  // namespace

std::string TextField(const json& object, const char* name) {
  const json* field = Find(object, name);
  return field != nullptr && field->is_string() ? Shown(field->get_ref<const std::string&>()) : "";
}

bool FlagField(const json& object, const char* name) {
  const json* field = Find(object, name);
  return field != nullptr && field->is_boolean() && field->get<bool>();
}

double RealField(const json& object, const char* name, double otherwise) {
  const json* field = Find(object, name);
  if (field == nullptr || !field->is_number()) return otherwise;
  const double value = field->get<double>();
  return std::isfinite(value) ? value : otherwise;
}

int64_t NumberField(const json& object, const char* name, int64_t otherwise) {
  const json* field = Find(object, name);
  if (field == nullptr || !field->is_number()) return otherwise;
  // 2^63 as a double is one past the largest.
  const double value = field->get<double>();
  if (!(value >= -0x1p63 && value < 0x1p63)) return otherwise;
  return field->is_number_float() ? static_cast<int64_t>(value) : field->get<int64_t>();
}

std::vector<std::string> TextsField(const json& object, const char* name, size_t most) {
  std::vector<std::string> texts;
  const json* field = Find(object, name);
  if (field == nullptr || !field->is_array()) return texts;
  for (const json& entry : *field) {
    if (texts.size() == most) break;
    if (entry.is_string()) texts.push_back(Shown(entry.get_ref<const std::string&>()));
  }
  return texts;
}

std::vector<json> ObjectsField(const json& object, const char* name, size_t most) {
  std::vector<json> objects;
  const json* field = Find(object, name);
  if (field == nullptr || !field->is_array()) return objects;
  for (const json& entry : *field) {
    if (objects.size() == most) break;
    if (entry.is_object()) objects.push_back(entry);
  }
  return objects;
}

}  // namespace rootwright
