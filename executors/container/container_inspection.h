#pragma once

#include <filesystem>
#include <stop_token>

#include "absl/status/status.h"
#include "executors/container/container_settings.h"
#include "executors/executor.h"

namespace rootwright {

class ContainerExecutor;

// What the host needs for containers, each with its remedy.

// prlimit and tar are there.
HostCheck CheckContainerTools();
// Which control groups the host has, and whether those of containers are among them.
HostCheck DescribeCgroups();
// What a container costs that changes a file of its image: overlayfs copies it, which is a matter of
// block numbers where both folders are on one file system with reflinks (btrfs, xfs). Makes the folders.
HostCheck DescribeCopyOnWrite(const ContainerSettings& settings);

// Starts a container over an empty root below `work_folder`, hears from it and ends it: 0.3 s. What it says
// when that failed is the reason, in libvirt's words or the kernel's.
absl::Status ProbeContainer(ContainerExecutor& executor, const std::filesystem::path& work_folder,
                            std::stop_token stop);
HostCheck DescribeProbe(const absl::Status& probed, const ContainerSettings& settings);

}  // namespace rootwright
