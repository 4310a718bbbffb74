// SPDX-License-Identifier: Apache-2.0
// Lines of journals, events and status files on arbitrary bytes. The input is tried as it is, and as the JSON of a line
// with the right checksum, so that the parser behind the checksum is reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/hash.h"
#include "core/study/journal_line.h"
#include "core/study/run_log.h"

namespace {

void tryLine(std::string_view line) {
    using namespace crest::study;
    (void)parseEvent(line, "fuzz");
    (void)parseStatus(line, "fuzz");
    const auto parsed = parseJournalLine(line, "fuzz");
    if (!parsed || parsed->type != JournalLine::Type::Result)
        return;
    // What is accepted must survive the way out and back in.
    std::string again = parsed->outcome ? formatResultLine(parsed->sequence, parsed->row, *parsed->outcome)
                                        : formatResultLine(parsed->sequence, parsed->row, parsed->nats, parsed->tokens);
    again.pop_back();
    const auto same = parseJournalLine(again, "fuzz");
    if (!same || same->row.key != parsed->row.key || same->nats != parsed->nats || same->tokens != parsed->tokens ||
        same->outcome != parsed->outcome)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    tryLine(text);
    tryLine(crest::hex(crest::crc32c(text), 8) + " " + std::string(text));
    return 0;
}
