// SPDX-License-Identifier: Apache-2.0
// Work in a child process that is started again when it dies of itself, so that one cell that crashes the engine, or
// needs more memory than there is, does not end a run (deaths.h, claims.h).
#pragma once

#include <functional>

namespace crest::run {

/// Runs `work` in a fork of this process and returns its exit code. Where the child dies of a crash or for want of
/// memory, it is started again with `again` true; killed from outside it stays dead (exit code 128 + signal). SIGTERM
/// and SIGINT are handed on. Ends with the child; a child whose parent is killed is told to stop. To be called while
/// this process has no other thread: where it has, `work` runs in it, without a second life.
int supervise(const std::function<int(bool again)>& work);

} // namespace crest::run
