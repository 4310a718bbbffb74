// SPDX-License-Identifier: Apache-2.0
// How a runner died, as the study folder tells it, and when that is held against what it was computing.
//
// A runner that is ended by a signal of its own doing (a bad access, an abort) still writes the signal's number into
// its lock file. One that the system killed for want of memory cannot, but the system counts such kills. What is left
// was killed from outside, by hand or by a time limit: that speaks against a computation only when it happens again and
// again.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::run {

enum class DeathCause {
    Signal,    ///< crashed; Death::signal says how
    Memory,    ///< the system killed a process for want of memory meanwhile
    Killed,    ///< no word of it: killed from outside
    Restarted, ///< the machine has been started anew since
};

struct Death {
    std::string writer;
    int cell = -1; ///< that was computed alone, or -1: several were in work
    DeathCause cause = DeathCause::Killed;
    int signal = 0;
    bool operator==(const Death&) const = default;
};

/// How the runner of this name died; call it for one that does not live any more. Any thread.
Death deathOf(const study::StudyFolder& folder, const std::string& writer);

/// One checksummed line of claims/<batch>.deaths, and back.
std::string formatDeath(const Death& death);
Result<Death> parseDeath(std::string_view line, const std::string& where);

/// Whether these are enough to hold them against what was computed: two crashes, or six kills without a word.
bool isEnough(std::span<const Death> deaths);

/// "The runner died 2 times while computing this, the last time of signal 11 (Segmentation fault)."
std::string describe(std::span<const Death> deaths);

/// Whether a process ends by this signal through its own doing: a bad access, an abort.
bool isCrash(int signal);

/// Processes that this system has killed for want of memory since it was started; -1 where it does not say.
std::int64_t memoryKills();

/// Of this start of the machine; the same pid after a restart is another process. "" where it is not known.
std::string bootId();

/// While it lives, a signal that ends this process by its own doing is first written into `file`. One at a time counts,
/// the last made.
class DeathNote {
public:
    explicit DeathNote(const std::filesystem::path& file);
    DeathNote(DeathNote&& other) noexcept;
    DeathNote& operator=(DeathNote&& other) noexcept;
    ~DeathNote();

private:
    int m_descriptor = -1;
};

} // namespace crest::run
