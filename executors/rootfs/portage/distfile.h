#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// A source file that a package is built from, as its ebuild and its Manifest tell.
struct Distfile {
  // Its name in DISTDIR; a plain file name.
  std::string name;
  // The first package of the plan that needs it.
  std::string package;
  // Where it may be had, best first.
  std::vector<std::string> urls;
  // -1: the Manifest does not say.
  int64_t size_bytes = -1;
  // "BLAKE2B", "SHA512", "SHA256" to lower-case hexadecimal digits; others that a Manifest has are left out.
  std::map<std::string, std::string> digests;
  // RESTRICT=fetch: its licence wants every user to get it by hand.
  bool restricted = false;
};

// InvalidArgument when the file cannot be had or not be trusted, each with its reason: a name that is a path,
// a missing size or digest, an address that is not http, https or ftp. What an ebuild says is not trusted.
absl::Status CheckDistfile(const Distfile& file);

// "deb.debian.org" of "http://user@deb.debian.org:80/x"; empty when there is none.
std::string HostOfUrl(absl::string_view url);

}  // namespace rootwright
