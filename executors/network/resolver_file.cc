#include "executors/network/resolver_file.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "executors/network/outbound_addresses.h"

namespace rootwright {
namespace {

// Where the tree's own waits, beside it.
constexpr char kNames[] = R"(file=$1/etc/resolv.conf kept=$1/etc/.resolv.conf.rootwright
)";

constexpr char kLend[] = R"([ -d "$1/etc" ] || mkdir "$1/etc"
if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" "$kept"; fi
cat > "$file"
)";

constexpr char kReturn[] = R"(if cmp -s - "$file"; then
  rm "$file"
  if [ -e "$kept" ] || [ -L "$kept" ]; then mv "$kept" "$file"; fi
else
  rm -f "$kept"
fi
)";

EnvironmentCommand Command(absl::string_view script, absl::string_view root) {
  EnvironmentCommand command;
  command.argv = {"/bin/sh", "-ec", absl::StrCat(kNames, script), "sh",
                  root == "/" ? std::string() : std::string(root)};
  command.variables = {{"PATH", "/usr/bin:/bin"}};
  command.input = absl::StrCat("nameserver ", kOutboundResolver, "\n");
  return command;
}

}  // namespace

EnvironmentCommand LendResolver(absl::string_view root) { return Command(kLend, root); }

EnvironmentCommand ReturnResolver(absl::string_view root) { return Command(kReturn, root); }

}  // namespace rootwright
