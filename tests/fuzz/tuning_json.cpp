// SPDX-License-Identifier: Apache-2.0
// A form of fine-tuning rows, a way of writing dialogues, or settings on arbitrary bytes; then rows through what was
// accepted. The segments are UTF-8, neighbours differ, and what is accepted survives the way through canonical JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/data/tuning_settings.h"
#include "core/data/tuning_template.h"
#include "core/text/unicode.h"

namespace {

using namespace crest;
using namespace crest::data;

const Json kRows[] = {{{"q", " a "}, {"a", "b"}, {"text", "\n\nHuman: x\n\nAssistant: y\n\nHuman:"}, {"label", 1}},
                      {{"messages", {{{"role", "user"}, {"content", "x"}}, {{"role", "assistant"}, {"content", "y"}}}}},
                      {{"messages", "[{\"role\":\"assistant\",\"content\":[{\"text\":\"z\"}]}]"}, {"q", nullptr}},
                      Json::array()};

void check(const Result<std::vector<TuningSegment>>& segments) {
    if (!segments)
        return;
    for (std::size_t i = 0; i < segments->size(); ++i) {
        const TuningSegment& one = (*segments)[i];
        if (!text::isValidUtf8(one.text) || one.text.empty() != one.isEnd)
            std::abort();
        if (i > 0 && !one.isEnd && !(*segments)[i - 1].isEnd && one.learned == (*segments)[i - 1].learned)
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto json = parseJson(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    if (!json)
        return 0;
    if (const auto form = TuningTemplate::parse(*json, "fuzz")) {
        const auto again = TuningTemplate::parse(*parseJson(canonicalJson(form->definition()), ""), "again");
        if (!again || again->name() != form->name())
            std::abort();
        for (const Json& row : kRows) {
            (void)form->fits(row);
            check(form->segments(row));
        }
    }
    if (const auto style = ChatStyle::parse(*json, "fuzz")) {
        check(style->write({{"system", "s"}, {"user", "x"}, {"assistant", " y"}, {"user", ""}, {"assistant", "z"}}));
        check(style->write({}));
    }
    if (const auto settings = tuningDataFromJson(*json, "fuzz")) {
        const auto again = tuningDataFromJson(*parseJson(canonicalJson(tuningDataToJson(*settings)), ""), "again");
        if (!again || !(*again == *settings))
            std::abort();
    }
    return 0;
}
