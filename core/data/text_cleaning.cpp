// SPDX-License-Identifier: Apache-2.0
#include "core/data/text_cleaning.h"

#include "core/data/py_text.h"

namespace crest::data {
namespace {

/// re.sub(r"\[.*?\]", "", text): a dot is no line feed.
std::string withoutBrackets(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t open = text.find('[');
        if (open == std::string_view::npos)
            break;
        const std::size_t end = text.find_first_of("]\n", open);
        if (end == std::string_view::npos)
            break; // no bracket after this one is closed either
        const bool closed = text[end] == ']';
        out += text.substr(0, closed ? open : end);
        text.remove_prefix(closed ? end + 1 : end);
    }
    out += text;
    return out;
}

/// re.sub(open + r"\s*([^" + close + r"]*?)\s*" + close, open + r"\1" + close, text).
std::string tightened(std::string_view text, char open, char close) {
    std::string out;
    while (true) {
        const std::size_t begin = text.find(open);
        const std::size_t end = begin == std::string_view::npos ? begin : text.find(close, begin + 1);
        if (end == std::string_view::npos)
            break;
        out += text.substr(0, begin + 1);
        out += pyStrip(text.substr(begin + 1, end - begin - 1));
        out += close;
        text.remove_prefix(end + 1);
    }
    out += text;
    return out;
}

/// re.sub(r"/' [0-9]/", r"/'[0-9]/", text): the replacement is meant as a pattern there and is not one.
std::string slashedDigits(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        if (rest.size() >= 5 && rest.starts_with("/' ") && rest[3] >= '0' && rest[3] <= '9' && rest[4] == '/') {
            out += "/'[0-9]/";
            at += 5;
            continue;
        }
        out += text[at++];
    }
    return out;
}

} // namespace

std::string hellaswagClean(std::string_view text) {
    const std::string titled = pyReplace(pyStrip(text), " [title]", ". ");
    return pyReplace(withoutBrackets(titled), "  ", " ");
}

std::string wikitextDetokenize(std::string_view text) {
    std::string out = slashedDigits(pyReplace(text, "s '", "s'"));
    for (const auto& [from, to] : {std::pair<const char*, const char*>{" @-@ ", "-"},
                                   {" @,@ ", ","},
                                   {" @.@ ", "."},
                                   {" : ", ": "},
                                   {" ; ", "; "},
                                   {" . ", ". "},
                                   {" ! ", "! "},
                                   {" ? ", "? "},
                                   {" , ", ", "}})
        out = pyReplace(out, from, to);
    for (const char* pair : {"()", "[]", "{}", "\"\"", "''"})
        out = tightened(out, pair[0], pair[1]);
    for (const auto& [from, to] : {std::pair<const char*, const char*>{"= = = =", "===="},
                                   {"= = =", "==="},
                                   {"= =", "=="},
                                   {" \xC2\xB0 ", "\xC2\xB0"},
                                   {" \n", "\n"},
                                   {"\n ", "\n"},
                                   {" N ", " 1 "},
                                   {" 's", "'s"}})
        out = pyReplace(out, from, to);
    return out;
}

} // namespace crest::data
