#pragma once

#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "ca-certificates": update-ca-certificates starts half a dozen programs for each of some
// 140 certificates, twice, and is the slowest thing of all to configure. The host makes the
// links, the hash links and the bundle as it would; in the target an empty script stands in
// for it. The package's own script still runs, so debconf's answers and
// /etc/ca-certificates.conf are there. Does nothing when something else than the packages has
// a say: hooks, or certificates and commands of the specification.
std::unique_ptr<Shortcut> MakeCertificates();

}  // namespace rootwright
