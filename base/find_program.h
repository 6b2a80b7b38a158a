#pragma once

#include <string>

namespace rootwright {

// Where a program is; empty when PATH, with the system folders, has none.
std::string FindProgram(const std::string& name);

}  // namespace rootwright
