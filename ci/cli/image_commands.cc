#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/architecture.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "ci/cli/image_client.h"
#include "ci/cli/json_line.h"
#include "ci/cli/report.h"
#include "ci/cli/session.h"
#include "proto/proto_architecture.h"

// The commands about build roots, which ask the agent on this host.
namespace rootwright::cli {
namespace {

// Where an agent with the default configuration says it.
constexpr char kAdminAddress[] = "/var/lib/rootwright/admin-address";
constexpr int64_t kLargestDigests = 1 << 20;
constexpr int64_t kLargestKeyring = 2 << 20;
constexpr int kPartsOfPlainProgress = 4;

absl::StatusOr<std::string> AdminAddress(const Session& session) {
  std::string address = session.arguments.Get("admin");
  if (address.empty()) {
    const absl::StatusOr<std::string> told = ReadFile(kAdminAddress, 1 << 10);
    if (!told.ok()) {
      return absl::UnavailableError(absl::StrCat("cannot reach the agent: ", kAdminAddress,
                                                 ": not there: start rootwright-agent on this host, or give "
                                                 "--admin $(cat STATE_FOLDER/admin-address)"));
    }
    address = std::string(absl::StripAsciiWhitespace(*told));
  }
  if (address.find(':') == std::string::npos || address.find_first_of(" \t\n") != std::string::npos)
    return absl::InvalidArgumentError(absl::StrCat("--admin: '", address, "': must be like 127.0.0.1:42118"));
  return address;
}

// Content of the file that an option names; empty without the option.
absl::StatusOr<std::string> FileOf(const Session& session, const char* option, int64_t max_bytes) {
  if (!session.arguments.Has(option)) return "";
  const absl::StatusOr<std::string> content = ReadFile(session.arguments.Get(option), max_bytes);
  RW_RETURN_IF_ERROR(Annotate(content.status(), absl::StrCat("--", option)));
  if (content->empty())
    return absl::InvalidArgumentError(
        absl::StrCat("--", option, ": ", session.arguments.Get(option), ": is empty"));
  return content;
}

absl::StatusOr<v1::ImportHeader> MakeHeader(const Session& session) {
  v1::ImportHeader header;
  header.set_file_name(std::filesystem::path(session.arguments.Operand(0)).filename().string());
  header.set_name(session.arguments.Get("name"));
  if (session.arguments.Has("arch"))
    header.set_architecture(ToProto(*ArchitectureFromDebianName(session.arguments.Get("arch"))));
  header.set_digest(session.arguments.Get("digest"));
  RW_ASSIGN_OR_RETURN(*header.mutable_digests(), FileOf(session, "digests", kLargestDigests));
  RW_ASSIGN_OR_RETURN(*header.mutable_signature(), FileOf(session, "signature", kLargestDigests));
  RW_ASSIGN_OR_RETURN(*header.mutable_keyring(), FileOf(session, "key", kLargestKeyring));
  header.set_unverified(session.arguments.Has("unverified"));
  return header;
}

// A line that changes on a terminal, a line each quarter elsewhere, JSON for programs.
class ImportView {
 public:
  explicit ImportView(Session& session) : session_(session) {}

  void Show(const v1::ImportProgress& progress) {
    const int64_t total = std::max<int64_t>(progress.total(), 1);
    const bool terminal = session_.out.is_terminal() && !session_.json;
    const int64_t parts = terminal ? 100 : kPartsOfPlainProgress;
    const int64_t part = progress.done() * parts / total;
    if (progress.phase() == phase_ && part == part_) return;
    phase_ = progress.phase();
    part_ = part;
    if (session_.json) {
      v1::ImportImageResponse message;
      *message.mutable_progress() = progress;
      session_.out.Write(JsonLine(message));
      return;
    }
    const std::string line =
        absl::StrCat("  ", Printable(progress.phase()), " ", progress.done() * 100 / total, " % of ",
                     SizeText(progress.total()));
    if (terminal) {
      session_.out.Repaint({Line(line)});
    } else {
      session_.out.Write(line + "\n");
    }
  }
  void End() {
    if (session_.out.is_terminal() && !session_.json) session_.out.Repaint({});
  }

 private:
  Session& session_;
  std::string phase_;
  int64_t part_ = 0;
};

}  // namespace

absl::StatusOr<ExitCode> ImageImport(Session& session) {
  RW_ASSIGN_OR_RETURN(const v1::ImportHeader header, MakeHeader(session));
  RW_ASSIGN_OR_RETURN(const std::string address, AdminAddress(session));
  ImageClient client(address);
  ImportView view(session);
  const absl::StatusOr<v1::Image> image = client.Import(
      header, session.arguments.Operand(0), [&](const v1::ImportProgress& progress) { view.Show(progress); });
  view.End();
  RW_RETURN_IF_ERROR(image.status());
  if (session.json) {
    v1::ImportImageResponse message;
    *message.mutable_image() = *image;
    session.out.Write(JsonLine(message));
  } else {
    session.out.Write(ImportedLines(*image));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ImageList(Session& session) {
  RW_ASSIGN_OR_RETURN(const std::string address, AdminAddress(session));
  RW_ASSIGN_OR_RETURN(const v1::ListImagesResponse list, ImageClient(address).List());
  if (session.json || session.arguments.Has("quiet")) {
    for (const v1::Image& image : list.images())
      session.out.Write(session.json ? JsonLine(image) : image.name() + "\n");
  } else if (list.images().empty()) {
    session.out.Write(
        "There is none yet. Rootwright's own are made when a build needs them; 'image import' takes "
        "stages.\n");
  } else {
    session.out.Write(ImageTable({list.images().begin(), list.images().end()}, session.zone));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ImageRemove(Session& session) {
  RW_ASSIGN_OR_RETURN(const std::string address, AdminAddress(session));
  const std::string name = session.arguments.Operand(0);
  RW_RETURN_IF_ERROR(ImageClient(address).Remove(name));
  if (session.json) {
    session.out.Write(nlohmann::ordered_json{{"removed", name}}.dump() + "\n");
  } else {
    session.out.Write(absl::StrCat(Printable(name), " removed\n"));
  }
  return ExitCode::kOk;
}

}  // namespace rootwright::cli
