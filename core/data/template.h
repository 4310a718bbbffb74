// SPDX-License-Identifier: Apache-2.0
// Templates of suites: the part of Jinja that the harness's tasks use (the language: resources/suites/README.md). They
// only read the row they are given, and steps and output are bounded, so a template from anywhere can be run.
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

/// Immutable; any thread may render.
class Template {
public:
    /// Malformed with the line where it does not parse, Unsupported where it uses a construct, filter, test or method
    /// that is not in the language; the sentence names it.
    static Result<Template> parse(const std::string& source, const std::string& where);

    /// The text for these variables (an object); a variable or field that is not there is NotFound, OutOfRange where it
    /// takes too many steps or writes too much.
    Result<std::string> text(const Json& variables) const;
    /// A template of one {{ expression }} alone gives its value as it is, any other its text.
    Result<Json> value(const Json& variables) const;

    const std::string& source() const { return m_source; }

private:
    std::shared_ptr<const tpl::Block> m_block;
    std::string m_source;
};

} // namespace crest::data
