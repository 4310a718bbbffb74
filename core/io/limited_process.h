// SPDX-License-Identifier: Apache-2.0
// Untrusted files that a library of others has to read (Parquet, tokenizer.model) are read by a helper program of ours:
// it gets the open file as its standard input, has little memory and time, can open, write and start nothing, and
// answers on a pipe. Whatever happens to it, the caller has an error in words.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"

namespace crest::io {

struct ProcessLimits {
    std::uint64_t memoryBytes = 1'000'000'000; ///< address space, libraries included
    std::chrono::seconds processor{20};        ///< CPU time
    std::chrono::seconds wall{60};             ///< until it has to be done
    std::uint64_t outputBytes = 256'000'000;   ///< of all that it says
};

/// What is run. The helper ends with 0 where it has said everything, else with one of `HelperExit` and one sentence
/// for people on standard error (see `helperMain`).
struct LimitedProcess {
    std::filesystem::path program;      ///< from `helperProgram`
    std::vector<std::string> arguments; ///< without the program's own name
    std::filesystem::path input;        ///< opened here, read-only, and given as standard input; "" for none
    ProcessLimits limits;
};

enum HelperExit : int {
    kHelperMalformed = 3,   ///< ErrorKind::Malformed
    kHelperUnsupported = 4, ///< ErrorKind::Unsupported
    kHelperNotFound = 5,    ///< ErrorKind::NotFound (a column, say)
    kHelperTooLarge = 6     ///< ErrorKind::OutOfRange
};

/// Takes the output in pieces of at most 64 kB; an error it returns ends the helper and is handed on.
using OutputSink = std::function<Result<void>(std::string_view)>;

/// Runs the helper and hands its output to `sink`, on this thread. Malformed where it crashed, ran out of memory or
/// time, or said too much; its own sentence where it refused the file; Io where it cannot be started; Stopped where
/// the job is. Any number of threads may each run one.
Result<void> runLimited(const LimitedProcess& process, const OutputSink& sink, const JobContext& job = {});
/// The same, with the output as one text.
Result<std::string> runLimited(const LimitedProcess& process, const JobContext& job = {});

/// Where a helper program lies: in the folder of this program, in `../bin` or in `../libexec/crest` beside it. NotFound
/// where none is there.
Result<std::filesystem::path> helperProgram(const std::string& name);

/// The frame of a helper's main(): closes all doors (below), runs `work`, and turns its error, or a lack of memory,
/// into a sentence on standard error and an exit code. `work` reads standard input (descriptor 0) and writes standard
/// output.
int helperMain(const std::function<Result<void>()>& work);

/// From now on this process opens no file, connects to nothing, starts no program and gains no rights: such calls fail
/// with EPERM (Linux seccomp; on other processors than x86-64 and arm64 only the limits hold). Threads may be started.
/// False where the system refused.
bool closeDoors();

} // namespace crest::io
