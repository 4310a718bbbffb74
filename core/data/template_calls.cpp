// SPDX-License-Identifier: Apache-2.0
// Calls of filters and methods: which there are, and what is checked before one runs.
#include <algorithm>

#include <fmt/format.h>

#include "core/data/template_parts.h"

namespace crest::data::tpl {

tl::unexpected<Error> wrongCall(const Call& call, const std::string& what) {
    return fail(ErrorKind::Malformed, fmt::format("\"{}\" {}", call.name, what));
}

const Json* argumentOf(const Call& call, std::size_t index, std::string_view name) {
    if (index < call.arguments.size())
        return &call.arguments[index];
    const auto named = call.named.find(name);
    return named != call.named.end() ? &named->second : nullptr;
}

Result<std::string> textArgument(const Call& call, std::size_t index, std::string_view name) {
    const Json* found = argumentOf(call, index, name);
    if (!found || !found->is_string())
        return wrongCall(call, name.empty() ? fmt::format("needs a text as argument {}", index + 1)
                                            : fmt::format("needs a text as its argument \"{}\"", name));
    return found->get<std::string>();
}

Result<std::int64_t> numberArgument(const Call& call, std::size_t index, std::int64_t otherwise, std::string_view name) {
    const Json* found = argumentOf(call, index, name);
    if (!found)
        return otherwise;
    if (!found->is_number_integer())
        return wrongCall(call, fmt::format("needs a whole number as argument {}", index + 1));
    return found->get<std::int64_t>();
}

namespace {

const Function* find(std::initializer_list<const FunctionTable*> tables, const std::string& name) {
    for (const FunctionTable* table : tables)
        if (const auto found = table->find(name); found != table->end())
            return &found->second;
    return nullptr;
}

Result<void> checkArguments(const Call& call, const Function& function) {
    if (call.arguments.size() > function.arguments.size())
        return fail(ErrorKind::Unsupported, fmt::format("\"{}\" with {} values in brackets", call.name, call.arguments.size()));
    for (const auto& [name, value] : call.named) {
        const auto at = std::ranges::find(function.arguments, name);
        if (name.empty() || at == function.arguments.end())
            return fail(ErrorKind::Unsupported, fmt::format("\"{}\" with the argument \"{}\"", call.name, name));
        if (at - function.arguments.begin() < static_cast<std::ptrdiff_t>(call.arguments.size()))
            return wrongCall(call, fmt::format("is given \"{}\" twice", name));
    }
    return {};
}

/// Checks what it is called with, and counts that a text is read.
Result<Json> run(const Call& call, const Function& function, Budget& budget) {
    CREST_CHECK(checkArguments(call, function));
    if (call.subject.is_string())
        CREST_CHECK(budget.read(call.subject.get_ref<const std::string&>().size()));
    return function.run(call, budget);
}

} // namespace

bool isFilter(const std::string& name, TemplateDialect dialect) {
    const bool chat = dialect == TemplateDialect::Chat;
    return name == "default" || name == "d" || usualFilters().contains(name) ||
           (chat ? chatFilters() : suiteFilters()).contains(name);
}
bool isMethod(const std::string& name, TemplateDialect dialect) {
    return usualMethods().contains(name) || (dialect == TemplateDialect::Chat && chatMethods().contains(name));
}

Result<Json> callFilter(const Call& call, Budget& budget) {
    CREST_CHECK(budget.step());
    const Function* function = find({&usualFilters(), &chatFilters(), &suiteFilters()}, call.name);
    if (function)
        return run(call, *function, budget);
    CREST_CHECK(budget.wrote(static_cast<std::size_t>(bytesOf(call.subject))));
    return call.subject; // default, of a value that is there
}

Result<Json> callMethod(const Call& call, Budget& budget) {
    CREST_CHECK(budget.step());
    const bool ofDictionary = call.name == "get" || call.name == "items" || call.name == "keys" || call.name == "values";
    const bool ofList = call.name == "index" || call.name == "count";
    if (!(call.subject.is_string() && !(ofDictionary && call.name != "get")) &&
        !(call.subject.is_object() && ofDictionary) && !(call.subject.is_array() && ofList))
        return fail(ErrorKind::Malformed, fmt::format("{} has no method \"{}\"", kindOf(call.subject), call.name));
    return run(call, *find({&usualMethods(), &chatMethods()}, call.name), budget);
}

} // namespace crest::data::tpl
