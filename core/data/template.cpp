// SPDX-License-Identifier: Apache-2.0
#include "core/data/template.h"

#include <fmt/format.h>

#include "core/data/template_renderer.h"

namespace crest::data {

namespace {

constexpr std::size_t kLongestSource = 64'000, kLongestChatSource = 256'000;

} // namespace

Result<Template> Template::parse(const std::string& source, const std::string& where, TemplateDialect dialect) {
    const std::size_t longest = dialect == TemplateDialect::Chat ? kLongestChatSource : kLongestSource;
    if (source.size() > longest)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("a template of {} bytes; the longest is {}", source.size(), longest), where);
    CREST_TRY(tokens, tpl::tokenize(source, where, dialect));
    CREST_TRY(block, tpl::parseBlock(std::move(tokens), where, dialect));
    Template made;
    made.m_block = std::move(block);
    made.m_source = source;
    made.m_dialect = dialect;
    return made;
}

Result<std::string> Template::text(const Json& variables, const std::string& date) const {
    std::string out;
    CREST_CHECK(tpl::Renderer(variables, m_dialect, date).write(*m_block, out));
    return out;
}

Result<Json> Template::value(const Json& variables) const {
    if (m_block->statements.size() == 1 && m_block->statements[0].kind == tpl::StatementKind::Print) {
        const std::string noDate;
        tpl::Renderer renderer(variables, m_dialect, noDate);
        CREST_TRY(value, renderer.defined(*m_block->statements[0].condition));
        if (!value.json)
            return fail(ErrorKind::Malformed, "a namespace stands where a value is needed");
        return *value.json;
    }
    CREST_TRY(out, text(variables));
    return Json(std::move(out));
}

} // namespace crest::data
