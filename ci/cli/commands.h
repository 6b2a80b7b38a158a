#pragma once

#include <string>
#include <vector>

#include "ci/cli/arguments.h"

namespace rootwright::cli {

// Every command of `rootwright`, in the order in which help lists them.
const std::vector<CommandSpec>& Commands();
// Options that every command takes.
const std::vector<OptionSpec>& GlobalOptions();

// What `rootwright help` prints.
std::string OverviewText();
// What `rootwright COMMAND --help` prints.
std::string HelpText(const CommandSpec& command);
// A bash completion script; it asks `rootwright` for build ids and agent names.
std::string BashCompletion();
// The manual page in section 1, as roff.
std::string ManualPage();

}  // namespace rootwright::cli
