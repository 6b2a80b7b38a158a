#pragma once

#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "python-bytecode": python3.11-minimal's script compiles the standard library. Bytecode does
// not depend on the processor, so the host's Python of the same minor version makes it, and in
// the target py_compile.py only compiles what is missing. Does nothing where the host has no
// such Python.
std::unique_ptr<Shortcut> MakePythonBytecode();

}  // namespace rootwright
