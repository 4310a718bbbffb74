// SPDX-License-Identifier: Apache-2.0
#include "core/run/deaths.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/run/runner_registration.h"
#include "core/study/journal_line.h"
#include "core/study/json_fields.h"

namespace crest::run {
namespace {

constexpr std::array kCauses = {"signal", "memory", "killed", "restarted"};
constexpr std::array kDeadlySignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr int kWeights[] = {3, 3, 1, 0}; ///< by cause
constexpr int kEnough = 6;

std::atomic<int> g_noteFile{-1};
std::array<struct sigaction, kDeadlySignals.size()> g_before;

/// Async-signal-safe. What was there before (a sanitizer's report, the default) has the last word.
void writeNote(int signal) {
    if (const int file = g_noteFile.exchange(-1); file >= 0) {
        const char text[] = {static_cast<char>('0' + signal / 10), static_cast<char>('0' + signal % 10), '\n'};
        (void)!::write(file, text, sizeof text);
    }
    for (std::size_t i = 0; i < kDeadlySignals.size(); ++i)
        if (kDeadlySignals[i] == signal)
            ::sigaction(signal, &g_before[i], nullptr);
    ::raise(signal); // a fault comes again by itself, a signal that was sent does not
}

void installNote() {
    static const bool once = [] {
        struct sigaction action {};
        action.sa_handler = writeNote;
        action.sa_flags = SA_NODEFER | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        for (std::size_t i = 0; i < kDeadlySignals.size(); ++i)
            ::sigaction(kDeadlySignals[i], &action, &g_before[i]);
        return true;
    }();
    (void)once;
}

template<class Number> std::optional<Number> numberIn(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() ? std::optional(value) : std::nullopt;
}

} // namespace

bool isCrash(int signal) {
    return std::ranges::find(kDeadlySignals, signal) != kDeadlySignals.end();
}

std::int64_t memoryKills() {
    const auto text = io::readTextFile("/proc/vmstat", 1'000'000);
    constexpr std::string_view kKey = "\noom_kill ";
    const auto at = text ? text->find(kKey) : std::string::npos;
    return at == std::string::npos
               ? -1
               : numberIn<std::int64_t>(std::string_view(*text).substr(at + kKey.size())).value_or(-1);
}

std::string bootId() {
    const auto text = io::readTextFile("/proc/sys/kernel/random/boot_id", 1000);
    return text ? text->substr(0, 36) : "";
}

Death deathOf(const study::StudyFolder& folder, const std::string& writer) {
    Death death{writer, -1, DeathCause::Killed, 0};
    if (const auto note = io::readTextFile(runnerLockFile(folder, writer), 1000))
        if (const auto signal = numberIn<int>(*note); signal && *signal > 0 && *signal < 100) {
            death.cause = DeathCause::Signal;
            death.signal = *signal;
            return death;
        }
    const auto file = folder.runnersFolder() / (writer + ".json");
    const auto text = io::readTextFile(file, 100'000);
    const auto description = text ? parseJson(*text, file.string()) : Result<Json>(Json());
    const auto says = [&](const char* key, const std::string& value) {
        const auto said = requireString(*description, key, file.string());
        return said && *said == value;
    };
    if (!description || !says("host", hostName()))
        return death;
    const auto kills = requireInt(*description, "memory_kills", file.string(), 0, INT64_MAX);
    if (!says("boot_id", bootId()))
        death.cause = DeathCause::Restarted;
    else if (kills && memoryKills() > *kills)
        death.cause = DeathCause::Memory;
    return death;
}

std::string formatDeath(const Death& death) {
    return study::formatLine({{"writer", death.writer},
                              {"cell", death.cell},
                              {"cause", kCauses[static_cast<std::size_t>(death.cause)]},
                              {"signal", death.signal}});
}

Result<Death> parseDeath(std::string_view line, const std::string& where) {
    CREST_TRY(json, study::parseLine(line, where));
    Death death;
    std::string cause;
    study::JsonFields fields(json, where);
    fields.text("writer", death.writer);
    fields.integer("cell", death.cell, -1, INT32_MAX);
    fields.text("cause", cause);
    fields.integer("signal", death.signal, 0, 99);
    CREST_CHECK(fields.finish());
    const auto known = std::ranges::find(kCauses, cause);
    if (known == kCauses.end())
        return fail(ErrorKind::Malformed, "unknown cause of death \"" + cause.substr(0, 40) + "\"", where);
    death.cause = static_cast<DeathCause>(known - kCauses.begin());
    return death;
}

bool isEnough(std::span<const Death> deaths) {
    int weight = 0;
    for (const Death& death : deaths)
        weight += kWeights[static_cast<std::size_t>(death.cause)];
    return weight >= kEnough;
}

std::string describe(std::span<const Death> deaths) {
    if (deaths.empty())
        return {};
    const Death& last = deaths.back();
    std::string how = "killed from outside";
    if (last.cause == DeathCause::Signal)
        how = fmt::format("by signal {} ({})", last.signal, ::strsignal(last.signal));
    else if (last.cause == DeathCause::Memory)
        how = "killed by the system for want of memory";
    else if (last.cause == DeathCause::Restarted)
        how = "with the machine";
    return fmt::format("The runner died {} times while computing this, the last time {}.", deaths.size(), how);
}

DeathNote::DeathNote(const std::filesystem::path& file)
    : m_descriptor(::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)) {
    installNote();
    g_noteFile = m_descriptor;
}

DeathNote::DeathNote(DeathNote&& other) noexcept
    : m_descriptor(std::exchange(other.m_descriptor, -1)) {}

DeathNote& DeathNote::operator=(DeathNote&& other) noexcept {
    std::swap(m_descriptor, other.m_descriptor);
    return *this;
}

DeathNote::~DeathNote() {
    if (m_descriptor < 0)
        return;
    int mine = m_descriptor;
    g_noteFile.compare_exchange_strong(mine, -1);
    ::close(m_descriptor);
}

} // namespace crest::run
