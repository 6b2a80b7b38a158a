#pragma once

namespace rootwright::master {

// Of this program; told to agents in Welcome.
inline constexpr char kVersion[] = ROOTWRIGHT_VERSION;

}  // namespace rootwright::master
