// What lies in a journal's event file after a crash, or a bad disk.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "agent/journal/event_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rootwright;
  UniqueFd fd(memfd_create("events", MFD_CLOEXEC));
  if (!fd || (size > 0 && pwrite(fd.get(), data, size, 0) != static_cast<ssize_t>(size))) return 0;
  auto file = EventFile::Open(std::move(fd), "events");
  if (!file.ok()) std::abort();
  // What is left reads back whole, and takes more.
  google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
  EventCursor cursor;
  if (!file->Read(cursor, 0, file->size(), 64 << 20, &events).ok()) std::abort();
  if (events.size() != file->last_sequence()) std::abort();
  v1::BuildEvent event;
  event.set_sequence(file->last_sequence() + 1);
  if (!file->Append(event, EventFile::Room::kOrdinary).ok()) std::abort();
  return 0;
}
