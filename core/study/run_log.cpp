// SPDX-License-Identifier: Apache-2.0
#include "core/study/run_log.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/io/files.h"
#include "core/study/journal_line.h"
#include "core/study/json_fields.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace {

constexpr const char* kStates[] = {"running", "paused", "stopping", "ended"};
constexpr const char* kEvents[] = {"started", "cells", "failed", "message", "ended", "note"};

template<class Enum, std::size_t N>
Result<Enum> fromWord(const std::string& word, const char* const (&words)[N], const std::string& where) {
    for (std::size_t i = 0; i < N; ++i)
        if (word == words[i])
            return static_cast<Enum>(i);
    return fail(ErrorKind::Malformed, "unknown word \"" + word.substr(0, 40) + "\"", where);
}

} // namespace

std::string formatStatus(const WriterStatus& status) {
    const auto line = [&](const std::string& message) {
        return formatLine({{"state", kStates[static_cast<int>(status.state)]},
                           {"phase", status.phase.substr(0, 200)},
                           {"message", message},
                           {"work", status.work},
                           {"tokens_per_second", numberToJson(status.tokensPerSecond)},
                           {"active_seconds", numberToJson(status.activeSeconds)},
                           {"fresh_cells", status.freshCells},
                           {"fresh_tokens", numberToJson(status.freshTokens)},
                           {"begun_tokens", numberToJson(status.begunTokens)},
                           {"beat", numberToJson(status.beat)}});
    };
    std::string text = line(status.message.substr(0, 500));
    if (text.size() > kStatusBytes) // characters that JSON writes as several
        text = line("");
    text.pop_back();
    text.resize(kStatusBytes - 1, ' ');
    return text + "\n";
}

Result<WriterStatus> parseStatus(std::string_view content, const std::string& where) {
    const auto end = content.find_last_of('}');
    CREST_TRY(json, parseLine(content.substr(0, end == std::string_view::npos ? 0 : end + 1), where));
    WriterStatus status;
    std::string state;
    JsonFields fields(json, where);
    fields.text("state", state);
    fields.text("phase", status.phase);
    fields.text("message", status.message);
    fields.number("tokens_per_second", status.tokensPerSecond);
    fields.number("active_seconds", status.activeSeconds);
    fields.integer("fresh_cells", status.freshCells, 0);
    if (fields.has("fresh_tokens")) { // not in older ones
        fields.number("fresh_tokens", status.freshTokens);
        fields.number("begun_tokens", status.begunTokens);
    }
    if (fields.has("work")) // nor this
        fields.text("work", status.work);
    fields.number("beat", status.beat);
    CREST_CHECK(fields.finish());
    CREST_TRY(known, fromWord<WriterState>(state, kStates, where));
    status.state = known;
    return status;
}

std::string formatEvent(const RunEvent& event) {
    return formatLine({{"type", kEvents[static_cast<int>(event.type)]},
                       {"cells", event.cells},
                       {"text", event.text.substr(0, 4000)},
                       {"at", event.at.empty() ? utcNow() : event.at}});
}

Result<RunEvent> parseEvent(std::string_view line, const std::string& where) {
    CREST_TRY(json, parseLine(line, where));
    RunEvent event;
    std::string type;
    JsonFields fields(json, where);
    fields.text("type", type);
    fields.integers("cells", event.cells, 0, INT32_MAX);
    fields.text("text", event.text);
    fields.text("at", event.at);
    CREST_CHECK(fields.finish());
    CREST_TRY(known, fromWord<RunEvent::Type>(type, kEvents, where));
    event.type = known;
    return event;
}

Result<RunLog> RunLog::create(const std::filesystem::path& runFolder, const std::string& writer, FileCalls calls) {
    CREST_TRY(events, AppendFile::create(runFolder / (writer + ".events.jsonl"), std::move(calls)));
    const auto file = runFolder / (writer + ".status");
    const int status = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (status < 0)
        return fail(io::systemError(errno, "create", file));
    return RunLog(std::move(events), status);
}

RunLog::RunLog(RunLog&& other) noexcept
    : m_events(std::move(other.m_events))
    , m_status(std::exchange(other.m_status, -1))
    , m_pending(std::move(other.m_pending)) {}

RunLog& RunLog::operator=(RunLog&& other) noexcept {
    std::swap(m_events, other.m_events);
    std::swap(m_status, other.m_status);
    std::swap(m_pending, other.m_pending);
    return *this;
}

RunLog::~RunLog() {
    if (m_status < 0)
        return;
    writePending();
    ::close(m_status);
}

void RunLog::add(RunEvent event) {
    m_pending.push_back(formatEvent(event));
    writePending();
}

void RunLog::writePending() {
    while (!m_pending.empty() && m_events.append(m_pending.front()))
        m_pending.pop_front();
}

void RunLog::setStatus(WriterStatus status) {
    using namespace std::chrono;
    status.beat = duration<double>(system_clock::now().time_since_epoch()).count();
    const std::string text = formatStatus(status);
    // In place: a status that cannot be written is replaced by the next one, a second later.
    (void)!::pwrite(m_status, text.data(), text.size(), 0);
    writePending();
}

} // namespace crest::study
