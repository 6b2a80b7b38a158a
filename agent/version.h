#pragma once

namespace rootwright {

// Of this program; told to the master.
inline constexpr char kVersion[] = ROOTWRIGHT_VERSION;

}  // namespace rootwright
