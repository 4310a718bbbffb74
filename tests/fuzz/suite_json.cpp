// SPDX-License-Identifier: Apache-2.0
// A task's definition on arbitrary bytes, then its templates on a row; and the bytes themselves as a template. What is
// accepted survives the way through canonical JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/data/compiled_task.h"
#include "core/data/suite.h"
#include "core/data/template.h"
#include "core/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    using namespace crest::data;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    static const Json row{{"q", " a [title] b "},
                          {"c", {"x", "y"}},
                          {"o", {{"text", {"p", "q"}}, {"label", {"A", "B"}}}},
                          {"n", 3},
                          {"b", true},
                          {"z", nullptr}};
    if (text::isValidUtf8(bytes)) {
        const auto source = Template::parse(bytes, "fuzz");
        if (source) {
            const auto made = source->text(row);
            if (made && !text::isValidUtf8(*made))
                std::abort();
            (void)source->value(row);
        }
    }
    const auto json = parseJson(bytes, "fuzz");
    if (!json)
        return 0;
    const auto task = parseTask(*json, "fuzz");
    if (!task)
        return 0;
    const auto again = parseTask(*parseJson(canonicalJson(task->definition), ""), "again");
    if (!again || again->name != task->name || again->metrics != task->metrics)
        std::abort();
    const auto compiled = compileTask(*json, "fuzz");
    for (const auto* part : {&compiled->context, &compiled->contexts, &compiled->choices, &compiled->gold})
        if (*part)
            (void)(*part)->value(row);
    return 0;
}
