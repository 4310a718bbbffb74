// SPDX-License-Identifier: Apache-2.0
// Runs the publisher of results.h5 in a process of its own: a full disk can crash the HDF5 library, and a crash there
// must not end a run.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace crest::run {

/// Starts `command` (program and arguments) with default signals, waits for it, and hands on what it wrote on stderr
/// where it fails.
Result<void> runPublisher(const std::vector<std::string>& command);

} // namespace crest::run
