#include "executors/qemu/kvm_probe.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(10);
constexpr char kDevice[] = "/dev/kvm";

struct Guest {
  std::string image;
  std::vector<std::string> arguments;
  int expected_exit = 0;
};

// mov al, 0x31; out 0xf4, al; hlt. isa-debug-exit makes (0x31 << 1) | 1 of it.
Guest Amd64Guest(const std::string& file) {
  std::string sector(512, '\0');
  sector.replace(0, 5, "\xb0\x31\xe6\xf4\xf4");
  sector.replace(510, 2, "\x55\xaa");
  return {sector,
          {"-machine", "pc", "-cpu", "host", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive",
           absl::StrCat("file=", file, ",format=raw,if=ide")},
          0x63};
}

// mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0: PSCI's SYSTEM_OFF.
Guest Arm64Guest(const std::string& file) {
  return {std::string("\x00\x01\x80\x52\x00\x80\xb0\x72\x02\x00\x00\xd4", 12),
          {"-machine", "virt,gic-version=host", "-cpu", "host", "-kernel", file},
          0};
}

}  // namespace

absl::Status ProbeKvm(Architecture host, std::stop_token stop) {
  if (access(kDevice, R_OK | W_OK) != 0) return ErrnoStatus(errno, "use KVM", kDevice);
  if (host != Architecture::kAmd64 && host != Architecture::kArm64) {
    return absl::UnimplementedError("use KVM: no test guest for this architecture");
  }
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder,
                      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-kvm-"));
  const std::string file = folder.path() / "guest";
  const Guest guest = host == Architecture::kAmd64 ? Amd64Guest(file) : Arm64Guest(file);
  RW_RETURN_IF_ERROR(WriteFileAtomically(file, guest.image));
  SubprocessSpec spec;
  spec.argv = {NamesOf(host).qemu, "-accel", "kvm",      "-m",   "64",        "-nodefaults",
               "-display",         "none",   "-monitor", "none", "-no-reboot"};
  spec.argv.insert(spec.argv.end(), guest.arguments.begin(), guest.arguments.end());
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::In(kLimit), stop);
  if (absl::IsDeadlineExceeded(result.status())) {
    return absl::DeadlineExceededError(
        absl::StrCat(kDevice, " exists but a test guest did not boot in ", absl::FormatDuration(kLimit)));
  }
  if (absl::IsNotFound(result.status())) {
    return absl::NotFoundError(absl::StrCat("use KVM: ", NamesOf(host).qemu, " is missing"));
  }
  RW_RETURN_IF_ERROR(result.status());
  if (result->signal == 0 && result->exit_code == guest.expected_exit) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("use KVM: the test guest ended with exit ", result->exit_code, ": ",
                                          result->error_output.substr(0, result->error_output.find('\n'))));
}

}  // namespace rootwright
