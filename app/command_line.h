// SPDX-License-Identifier: Apache-2.0
// What is wrong with a command line, as a sentence that begins with the command; for crest and crest-run.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

namespace crest {
namespace detail {

/// Whole text as a number of this type: "" where it is one, else what it is not.
template<class Number> std::string numberProblem(const std::string& text, const char* wanted) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range && end == text.data() + text.size())
        return text + " is too large";
    return error != std::errc() || end != text.data() + text.size() ? '"' + text + "\" is no " + wanted : std::string();
}

/// `type` as the help names it: INT, FLOAT:POSITIVE.
inline const char* wantedOf(const std::string& type) {
    return type.starts_with("INT") || type.starts_with("UINT") ? "whole number"
           : type.starts_with("FLOAT")                         ? "number"
                                                               : "value that it takes";
}

} // namespace detail

/// For options of whole numbers and of numbers: nothing typed, more than a number, and too many digits are said. Whether the
/// number makes sense is for what takes it to say.
inline CLI::Validator wholeNumber() {
    return {[](std::string& text) { return detail::numberProblem<std::int64_t>(text, "whole number"); }, ""};
}
inline CLI::Validator anyNumber() {
    return {[](std::string& text) { return detail::numberProblem<double>(text, "number"); }, ""};
}
/// The parser itself takes -1 for the largest number that there is.
inline CLI::Validator unsignedNumber() {
    return {[](std::string& text) {
                if (text.starts_with('-') && detail::numberProblem<std::int64_t>(text, "").empty())
                    return text + " is out of range: it must be 0 or more";
                return detail::numberProblem<std::uint64_t>(text, "whole number");
            },
            ""};
}
namespace detail {
inline CLI::Validator finiteNumber(bool (*isGood)(double), const char* wanted) {
    return {[=](std::string& text) {
                std::string problem = numberProblem<double>(text, "number");
                double value = 0;
                std::from_chars(text.data(), text.data() + text.size(), value);
                if (problem.empty() && !(std::isfinite(value) && isGood(value)))
                    problem = text + " is out of range: it must be " + wanted;
                return problem;
            },
            ""};
}
} // namespace detail
/// In place of CLI::PositiveNumber and CLI::NonNegativeNumber, which name the largest double with all of its digits.
inline CLI::Validator positiveNumber() {
    return detail::finiteNumber([](double value) { return value > 0; }, "above 0");
}
inline CLI::Validator zeroOrMore() {
    return detail::finiteNumber([](double value) { return value >= 0; }, "0 or more");
}

/// "crest-run probe noise: --seeds: "a few" is no whole number ...": for CLI::App::failure_message.
inline std::string commandLineProblem(const CLI::App* app, const CLI::Error& error) {
    std::string command = app->get_name(), what = error.what();
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().front();
        command += ' ' + app->get_name();
    }
    constexpr std::string_view kUnconverted = "Could not convert: ";
    if (what.starts_with(kUnconverted)) {
        const std::size_t begin = kUnconverted.size(), equals = what.find(" = ", begin);
        const std::string option = what.substr(begin, equals - begin);
        const CLI::Option* known = app->get_option_no_throw(option);
        what = option + ": \"" + (equals == std::string::npos ? "" : what.substr(equals + 3)) + "\" is no " +
               detail::wantedOf(known ? known->get_type_name() : "");
    } else if (const std::vector<std::string> unknown = app->remaining();
               !unknown.empty() && what.find("subcommand is required") != std::string::npos) {
        std::string known;
        for (const CLI::App* one : app->get_subcommands([](const CLI::App* any) { return !any->get_group().empty(); }))
            known += (known.empty() ? "" : ", ") + one->get_name();
        what = '"' + unknown.front() + "\" is no command; there are " + known;
    }
    return command + ": " + what + "\n" + command + " --help says more.\n";
}

/// Says what is wrong, or what --help and --version ask for; 0 for those, else 1 instead of the parser's own numbers.
inline int exitCodeOf(const CLI::App& app, const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
}

} // namespace crest
