#pragma once

#include "absl/strings/string_view.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// A commented configuration.yml to start from, without mistakes: example_apt.yml,
// example_portage.yml.
absl::string_view ExampleSpecification(PackageManager manager);

}  // namespace rootwright
