#pragma once

#include <string>

#include "executors/guest/program/disk.h"

namespace rootwright::guest {

// Programs find 127.0.0.1.
void BringLoopbackUp();

// Gives a network card its addresses, dotted ones of IPv4, and the way out by `gateway`.
Problem SetUpCard(const char* name, const std::string& address, const std::string& netmask,
                  const std::string& gateway);

}  // namespace rootwright::guest
