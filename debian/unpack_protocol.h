#pragma once

namespace rootwright {

// What rootwright-unpack and the one who starts it agree on.
//
//   rootwright-unpack TREE ARCHITECTURE JOBS [--no-database]
//
// Standard input: the paths of the packages, each ended by a NUL, in an order in which
// dependencies come first. Standard output: lines, "done N" once package N (from 0) is
// unpacked. Standard error: one line that says what failed.
enum UnpackExit {
  kUnpacked = 0,
  kUnpackFailed = 1,
  kUnpackBadArguments = 2,
  // A package is damaged or hostile.
  kUnpackDamaged = 3,
  // The disk is full, or a limit was met.
  kUnpackExhausted = 4,
};

}  // namespace rootwright
