// SPDX-License-Identifier: Apache-2.0
// What a runner says about its part of a run: <writer>.events.jsonl (what lasts) and <writer>.status (where it is now).
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/study/append_file.h"

namespace crest::study {

enum class WriterState { Running, Paused, Stopping, Ended };

/// Where a writer is now.
struct WriterStatus {
    WriterState state = WriterState::Running;
    std::string phase;   ///< "gamma 0.1, 16M tokens"
    std::string message; ///< why it paused or ended, "" otherwise
    double tokensPerSecond = 0;
    double activeSeconds = 0;    ///< without pauses
    std::int64_t freshCells = 0; ///< finished by this writer, those found stored not counted
    std::string work; ///< workOf the plan and the device; "" in older files
    double freshTokens = 0, begunTokens = 0; ///< forwardTokensByCell of these without what was found done, and of cells in work as far as they are
    double beat = 0;                         ///< seconds since 1970, when this was written
};

/// The status as its file holds it: one line with checksum, padded with blanks to kStatusBytes, so that it is
/// overwritten in place and needs no room on a full disk. A torn read fails its checksum.
inline constexpr std::size_t kStatusBytes = 1024;
std::string formatStatus(const WriterStatus& status);
Result<WriterStatus> parseStatus(std::string_view content, const std::string& where);

/// One line of <writer>.events.jsonl.
struct RunEvent {
    enum class Type {
        Started, ///< `text`: device, threads
        Cells,   ///< `cells` have every result stored, durably
        Failed,  ///< `cells` failed; `text`: why
        Message, ///< `text`: paused, out of space, goes on ...
        Ended,   ///< `text`: why, "" where all is done
        Note     ///< `text`: what moves no result and is worth knowing: tuned weights are not kept, say
    } type = Type::Message;
    std::vector<int> cells;
    std::string text;
    std::string at; ///< ISO 8601 UTC
};
std::string formatEvent(const RunEvent& event);
Result<RunEvent> parseEvent(std::string_view line, const std::string& where);

/// Writes both files; used by one thread at a time. Where an event cannot be written now, it is kept and written later:
/// a full disk never stops the run here.
class RunLog {
public:
    static Result<RunLog> create(const std::filesystem::path& runFolder, const std::string& writer,
                                 FileCalls calls = FileCalls::system());
    RunLog(RunLog&& other) noexcept;
    RunLog& operator=(RunLog&& other) noexcept;
    ~RunLog();

    void add(RunEvent event);
    void setStatus(WriterStatus status);

private:
    RunLog(AppendFile events, int status)
        : m_events(std::move(events))
        , m_status(status) {}
    AppendFile m_events;
    int m_status = -1;
    std::deque<std::string> m_pending;
    void writePending();
};

} // namespace crest::study
