// SPDX-License-Identifier: Apache-2.0
// A chat template on arbitrary bytes, and a tokenizer_config.json that holds one; then a talk through it. What comes out is UTF-8, and
// the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/data/chat_template.h"
#include "core/text/unicode.h"

namespace {

using namespace crest;
using namespace crest::data;

void render(const ChatFiles& files) {
    const auto chosen = ChatTemplate::choose(files, "", "2024-02-09", "fuzz");
    if (!chosen)
        return;
    static const std::vector<ChatMessage> kTalk{{"system", " s "}, {"user", "x <y>"}, {"assistant", "</think>\nz"}, {"user", "\xC3\xA9\n"}};
    const auto once = chosen->render(kTalk);
    const auto again = chosen->render(kTalk);
    if (once.has_value() != again.has_value() || (once && (once->text != again->text || !text::isValidUtf8(once->text))))
        std::abort();
    (void)chosen->render(std::vector<ChatMessage>{{"user", ""}});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    if (text::isValidUtf8(bytes))
        render({{{"default", bytes}}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}});
    if (const auto config = parseJson(bytes, "fuzz"))
        if (const auto files = chatFilesOf(*config, "fuzz"))
            render(*files);
    return 0;
}
