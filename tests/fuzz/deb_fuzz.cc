// A package as it comes from a mirror: its members, its control files, and all its entries.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "archive/deb.h"
#include "base/unique_fd.h"
#include "debian/control_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const rootwright::UniqueFd fd(memfd_create("deb", MFD_CLOEXEC));
  if (!fd || write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  const auto deb = rootwright::DebFile::Open(fd.get(), "fuzz.deb");
  if (!deb.ok()) return 0;
  if (const auto control = deb->ReadControl(); control.ok()) {
    for (const auto& [name, file] : *control) {
      rootwright::ControlField(file.content, "Package");
      rootwright::ParseConffiles(file.content);
      rootwright::ParseTriggers(file.content);
    }
  }
  auto reader = deb->ReadData();
  rootwright::TarEntry entry;
  std::vector<char> buffer(4096);
  int64_t total = 0;
  while (reader.ok()) {
    const auto more = reader->Next(entry);
    if (!more.ok() || !*more) break;
    for (;;) {
      const auto got = reader->Read(buffer);
      if (!got.ok()) return 0;
      // A few bytes may stand for very many.
      total += static_cast<int64_t>(*got);
      if (*got == 0 || total > (1 << 20)) break;
    }
    if (total > (1 << 20)) break;
  }
  return 0;
}
