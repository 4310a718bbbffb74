// SPDX-License-Identifier: Apache-2.0
// Templates: the part of Jinja that the harness's tasks use (the language: resources/suites/README.md), and what chat
// templates of tokenizers use beside it. They only read the variables they are given, and steps, output and depth are
// bounded, so a template from anywhere can be run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data {

namespace tpl {
struct Block;
}

enum class TemplateDialect {
    Suite, ///< as the harness compiles tasks' templates: what is not there is an error, white space stays
    Chat   ///< as transformers 5.23 compiles chat templates (trim_blocks, lstrip_blocks, a lenient undefined)
};

/// Immutable; any thread may render.
class Template {
public:
    /// Malformed with the line where it does not parse, Unsupported where it uses a construct, filter, test or method
    /// that is not in the language; the sentence names it. Filters, tests, methods and functions of chat templates are
    /// an error only once they are reached: most of a chat template is about tools, and never runs.
    static Result<Template> parse(const std::string& source, const std::string& where,
                                  TemplateDialect dialect = TemplateDialect::Suite);

    /// The text for these variables (an object); a variable or field that is not there is NotFound, OutOfRange where it
    /// takes too many steps or writes too much, Mismatch where a chat template refuses (raise_exception). `date`: what
    /// strftime_now of chat templates says, "2026-11-27"; without it that function is an error.
    Result<std::string> text(const Json& variables, const std::string& date = {}) const;
    /// A template of one {{ expression }} alone gives its value as it is, any other its text.
    Result<Json> value(const Json& variables) const;

    const std::string& source() const { return m_source; }

private:
    std::shared_ptr<const tpl::Block> m_block;
    std::string m_source;
    TemplateDialect m_dialect = TemplateDialect::Suite;
};

} // namespace crest::data
