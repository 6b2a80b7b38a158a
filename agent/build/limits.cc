#include "agent/build/limits.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/size_text.h"
#include "base/status.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

absl::Duration Fill(const google::protobuf::Duration& asked, absl::Duration otherwise) {
  const absl::Duration duration = FromProto(asked);
  return duration > absl::ZeroDuration() ? duration : otherwise;
}

template <typename Number>
Number Fill(Number asked, Number otherwise) {
  return asked > 0 ? asked : otherwise;
}

absl::Status TooMuch(absl::string_view limit, absl::string_view asked, absl::string_view most) {
  return absl::InvalidArgumentError(
      absl::StrCat("limits.", limit, ": ", asked, " asked, at most ", most, " here"));
}

absl::Status Check(absl::string_view limit, absl::Duration asked, absl::Duration most) {
  return asked > most ? TooMuch(limit, LengthText(asked), LengthText(most)) : absl::OkStatus();
}

absl::Status CheckSize(absl::string_view limit, int64_t asked, int64_t most) {
  return asked > most ? TooMuch(limit, SizeText(asked), SizeText(most)) : absl::OkStatus();
}

absl::Status CheckCount(absl::string_view limit, int asked, int most) {
  return asked > most ? TooMuch(limit, absl::StrCat(asked), absl::StrCat(most)) : absl::OkStatus();
}

}  // namespace

BuildLimits LargestLimits() {
  return {.wall = absl::Hours(24 * 7),
          .silence = absl::Hours(24),
          .boot = absl::Hours(1),
          .memory_bytes = int64_t{16} << 30,
          .vcpus = 8,
          .disk_bytes = int64_t{128} << 30,
          .log_bytes = int64_t{16} << 30,
          .processes = 65536};
}

BuildLimits FillLimits(const v1::Limits& asked, const BuildLimits& defaults) {
  return {.wall = Fill(asked.wall(), defaults.wall),
          .silence = Fill(asked.silence(), defaults.silence),
          .boot = Fill(asked.boot(), defaults.boot),
          .memory_bytes = Fill<int64_t>(asked.memory_bytes(), defaults.memory_bytes),
          .vcpus = Fill<int>(asked.vcpus(), defaults.vcpus),
          .disk_bytes = Fill<int64_t>(asked.disk_bytes(), defaults.disk_bytes),
          .log_bytes = Fill<int64_t>(asked.log_bytes(), defaults.log_bytes),
          .processes = Fill<int>(asked.processes(), defaults.processes)};
}

v1::Limits ToProto(const BuildLimits& limits) {
  v1::Limits proto;
  *proto.mutable_wall() = ToProto(limits.wall);
  *proto.mutable_silence() = ToProto(limits.silence);
  *proto.mutable_boot() = ToProto(limits.boot);
  proto.set_memory_bytes(limits.memory_bytes);
  proto.set_vcpus(limits.vcpus);
  proto.set_disk_bytes(limits.disk_bytes);
  proto.set_log_bytes(limits.log_bytes);
  proto.set_processes(limits.processes);
  return proto;
}

absl::Status CheckLimits(const BuildLimits& limits, const BuildLimits& maximum) {
  RW_RETURN_IF_ERROR(Check("wall", limits.wall, maximum.wall));
  RW_RETURN_IF_ERROR(Check("silence", limits.silence, maximum.silence));
  RW_RETURN_IF_ERROR(Check("boot", limits.boot, maximum.boot));
  RW_RETURN_IF_ERROR(CheckSize("memory_bytes", limits.memory_bytes, maximum.memory_bytes));
  RW_RETURN_IF_ERROR(CheckCount("vcpus", limits.vcpus, maximum.vcpus));
  RW_RETURN_IF_ERROR(CheckSize("disk_bytes", limits.disk_bytes, maximum.disk_bytes));
  RW_RETURN_IF_ERROR(CheckSize("log_bytes", limits.log_bytes, maximum.log_bytes));
  return CheckCount("processes", limits.processes, maximum.processes);
}

std::string LengthText(absl::Duration length) {
  const double seconds = absl::ToDoubleSeconds(length);
  if (seconds >= 2 * 3600) return absl::StrFormat("%g h", seconds / 3600);
  if (seconds >= 2 * 60 && static_cast<int64_t>(seconds) % 60 == 0)
    return absl::StrFormat("%g min", seconds / 60);
  return absl::StrFormat("%g s", seconds);
}

}  // namespace rootwright
