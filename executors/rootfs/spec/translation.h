#pragma once

#include <string>
#include <vector>

#include "executors/rootfs/spec/platforms.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// A file that a Portage specification comes to in the root where packages are built.
struct TranslatedFile {
  // When it is put there: before the pre-install overlay, which may replace it, or after it.
  enum class When { kBeforeOverlay, kAfterOverlay };
  // In place of what is there, or behind it.
  enum class How { kReplace, kAppend };

  // Without a leading "/": "etc/portage/make.conf".
  std::string path;
  When when = When::kAfterOverlay;
  How how = How::kReplace;
  std::string content;
};

// Portage's own files for a good Portage specification; none for an apt one. Files of one root
// in the order in which they are to be written. The same specification and platform give the
// same bytes. Without a platform its part of make.conf is left out.
//
//   etc/portage/make.conf                  the platform's CHOST and flags; after the overlay
//                                          USE and ACCEPT_KEYWORDS of `global`
//   etc/portage/package.use/…              flags of single packages
//   etc/portage/package.accept_keywords/…  their keywords
//   etc/portage/repos.conf/…               the overlay's own repositories that it does not name
//   var/lib/portage/world, world_sets      what is asked for
//
// Where the overlay has a plain file in the place of one of the folders, or a folder in the
// place of make.conf, the translation follows it.
std::vector<TranslatedFile> TranslateSpecification(const Specification& specification,
                                                   const Platform* platform);

// What is to be installed, as emerge takes it, in the order of the file.
std::vector<std::string> WorldList(const Specification& specification);

}  // namespace rootwright
