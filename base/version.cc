#include "base/version.h"

namespace rootwright {

const char kVersion[] = ROOTWRIGHT_VERSION;

}  // namespace rootwright
