#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ci/cli/master_client.h"
#include "ci/cli/session.h"
#include "ci/cli/shell_call.h"

// `build ssh`, `build ssh-config` and `build ssh-proxy`: a real sshd in the environment of a build, reached
// through master and agent. It is started for each connection, on the standard streams of a shell (sshd -i).
namespace rootwright::cli {
namespace {

// Makes the environment's own root ready for sshd, which was unpacked there and never configured; reads the
// caller's public key and prints the host's. May be run any number of times.
constexpr const char* kSetupScript = R"(set -eu
umask 077
if [ ! -x /usr/sbin/sshd ]; then
  echo "the environment's image has no sshd" >&2
  exit 66
fi
d=/run/rootwright-ssh
mkdir -p $d /run/sshd
chmod 755 /run/sshd
grep -q '^sshd:' /etc/passwd || echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
if [ ! -e $d/host_key ]; then
  ssh-keygen -q -t ed25519 -N '' -C rootwright -f $d/new.$$
  # Two at once: the first one's stays.
  if ln $d/new.$$ $d/host_key 2>/dev/null; then cp $d/new.$$.pub $d/host_key.pub; fi
  rm -f $d/new.$$ $d/new.$$.pub
fi
read -r key
grep -qxF "$key" $d/authorized_keys 2>/dev/null || echo "$key" >>$d/authorized_keys
cat >$d/sshd_config <<END
HostKey $d/host_key
AuthorizedKeysFile $d/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
AllowUsers root
UsePAM no
StrictModes no
PrintMotd no
PrintLastLog no
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
END
ssh-keygen -y -f $d/host_key
)";

// In the build's tree, where there is one with a shell in it; sshd itself is the environment's.
constexpr const char* kServeScript =
    "root=/; if [ -x \"$ROOTWRIGHT_ROOT/bin/sh\" ]; then root=$ROOTWRIGHT_ROOT; fi; "
    "if [ \"$root\" = / ]; then exec /usr/sbin/sshd -i -e -f /run/rootwright-ssh/sshd_config; fi; "
    "exec /usr/sbin/sshd -i -e -f /run/rootwright-ssh/sshd_config -o \"ChrootDirectory=$root\"";

v1::ShellStart StartOf(const std::string& build_id, const char* script) {
  v1::ShellStart start;
  start.set_build_id(build_id);
  start.mutable_command()->set_own_root(true);
  for (const char* word : {"/bin/sh", "-c", script}) start.mutable_command()->add_argv(word);
  return start;
}

// What ssh needs for one build: key, known hosts and configuration, in the user's own cache.
struct SshFiles {
  std::filesystem::path folder;
  std::filesystem::path key() const { return folder / "key"; }
  std::filesystem::path known_hosts() const { return folder / "known_hosts"; }
  std::filesystem::path config() const { return folder / "config"; }
};

absl::StatusOr<SshFiles> MakeSshFiles(const std::string& build_id) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  SshFiles files;
  if (cache != nullptr && cache[0] == '/') {
    files.folder = cache;
  } else if (home != nullptr && home[0] == '/') {
    files.folder = std::filesystem::path(home) / ".cache";
  } else {
    return absl::FailedPreconditionError("build ssh: HOME is not set: where are keys to be kept?");
  }
  files.folder /= std::filesystem::path("rootwright") / "ssh" / build_id;
  RW_RETURN_IF_ERROR(MakeFolders(files.folder));
  if (chmod(files.folder.c_str(), 0700) != 0)
    return ErrnoStatus(errno, "set the mode of", files.folder.string());
  std::error_code error;
  if (std::filesystem::exists(files.key(), error)) return files;
  SubprocessSpec keygen;
  keygen.argv = {
      "ssh-keygen",        "-q", "-t", "ed25519", "-N", "", "-C", absl::StrCat("rootwright-", build_id), "-f",
      files.key().string()};
  const auto made = RunSubprocess(keygen, Deadline::In(absl::Seconds(30)), {});
  if (made.ok() && made->ok()) return files;
  return absl::FailedPreconditionError(
      absl::StrCat("build ssh: make a key: ssh-keygen: ",
                   made.ok() ? made->error_output : std::string(made.status().message()),
                   ": is openssh-client installed?"));
}

std::string Quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

// The Host block: all of OpenSSH that speaks to this build needs no more.
absl::StatusOr<std::string> ConfigOf(const Session& session, const std::string& build_id,
                                     const SshFiles& files) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoStatus(error.value(), "find this program", "/proc/self/exe");
  const std::string host = absl::StrCat("rootwright-", build_id);
  // A % stands for more in ssh's configuration.
  std::string proxy = absl::StrCat(Quoted(self.string()), " --master ", Quoted(session.master),
                                   " build ssh-proxy ", build_id);
  for (size_t at = 0; (at = proxy.find('%', at)) != std::string::npos; at += 2) proxy.insert(at, "%");
  return absl::StrCat("Host ", host, "\n  User root\n  ProxyCommand ", proxy, "\n  IdentityFile \"",
                      files.key().string(), "\"\n  IdentitiesOnly yes\n  IdentityAgent none\n  HostKeyAlias ",
                      host, "\n  UserKnownHostsFile \"", files.known_hosts().string(),
                      "\"\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n");
}

struct SshWay {
  std::string build_id;
  SshFiles files;
  std::string config;
};

// Makes both ends ready.
absl::StatusOr<SshWay> MakeWay(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Build build, client.Get(session.arguments.Operand(0)));
  SshWay way;
  way.build_id = build.id();
  RW_ASSIGN_OR_RETURN(way.files, MakeSshFiles(build.id()));
  RW_ASSIGN_OR_RETURN(const std::string key, ReadFile(absl::StrCat(way.files.key().string(), ".pub")));
  RW_ASSIGN_OR_RETURN(const ShellOutputText said,
                      RunShellForOutput(client, StartOf(build.id(), kSetupScript), key));
  if (said.end.status() != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("build ssh: make build ", build.id(), " ready: ", absl::StripAsciiWhitespace(said.err)));
  }
  // Only a key of the one kind that was asked for.
  const std::vector<std::string> host_key = absl::StrSplit(absl::StripAsciiWhitespace(said.out), ' ');
  if (host_key.size() < 2 || host_key[0] != "ssh-ed25519")
    return absl::DataLossError(absl::StrCat("build ssh: build ", build.id(), ": it told no host key"));
  RW_RETURN_IF_ERROR(
      WriteFileAtomically(way.files.known_hosts(),
                          absl::StrCat("rootwright-", build.id(), " ", host_key[0], " ", host_key[1], "\n")));
  RW_ASSIGN_OR_RETURN(way.config, ConfigOf(session, build.id(), way.files));
  RW_RETURN_IF_ERROR(WriteFileAtomically(way.files.config(), way.config));
  return way;
}

}  // namespace

absl::StatusOr<ExitCode> BuildSsh(Session& session) {
  RW_ASSIGN_OR_RETURN(const SshWay way, MakeWay(session));
  std::vector<std::string> words = {"ssh", "-F", way.files.config().string()};
  // Options go before the host, a command behind it: as people write them.
  const std::vector<std::string>& rest = session.arguments.rest;
  words.push_back(absl::StrCat("rootwright-", way.build_id));
  words.insert(words.end(), rest.begin(), rest.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  return absl::FailedPreconditionError(absl::StrCat(
      "build ssh: start ssh: ", std::system_category().message(errno), ": install openssh-client"));
}

absl::StatusOr<ExitCode> BuildSshConfig(Session& session) {
  RW_ASSIGN_OR_RETURN(const SshWay way, MakeWay(session));
  session.out.Write(way.config);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> BuildSshProxy(Session& session) {
  const ShellSignals signals;  // before the first thread of gRPC
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const ShellEnd end,
                      RunShellHere(client, StartOf(session.arguments.Operand(0), kServeScript), signals,
                                   TerminalUse::kNever));
  return static_cast<ExitCode>(end.status());
}

}  // namespace rootwright::cli
