// SPDX-License-Identifier: Apache-2.0
#include "core/series/yaml_text.h"

#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml.h>

namespace crest::series {
namespace {

constexpr std::size_t kMostValues = 100'000;

bool isOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words)
        if (text == word)
            return true;
    return false;
}

/// The whole text as a number; from_chars knows no leading '+'.
template<class T> std::optional<T> numberOf(std::string_view text) {
    if (text.starts_with('+'))
        text.remove_prefix(1);
    T value{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Json plainScalar(std::string_view text) {
    if (isOneOf(text, {"", "~", "null", "Null", "NULL"}))
        return nullptr;
    if (isOneOf(text, {"true", "True", "TRUE"}))
        return true;
    if (isOneOf(text, {"false", "False", "FALSE"}))
        return false;
    // "inf", "nan" and hexadecimal digits are texts to whoever wrote them without a point.
    const bool numeric = !text.empty() && text.find_first_not_of("+-0123456789.eE") == std::string_view::npos &&
                         text.find_first_of("0123456789") != std::string_view::npos;
    if (const auto whole = numeric ? numberOf<std::int64_t>(text) : std::nullopt)
        return *whole;
    if (const auto real = numeric ? numberOf<double>(text) : std::nullopt)
        return *real;
    return std::string(text);
}

/// A mapping or sequence whose end has not come yet.
struct Open {
    Json value;
    std::optional<std::string> key; ///< of a mapping: what the next node belongs to
};

class Builder {
public:
    Builder(const std::string& where, const YamlLimits& limits)
        : m_where(where)
        , m_limits(limits) {}

    bool isDone() const { return m_done; }
    Json take() { return std::move(m_root); }

    Result<void> use(const yaml_event_t& event) {
        switch (event.type) {
        case YAML_ALIAS_EVENT:
            return refused(event, ErrorKind::Unsupported, "an alias (*name) is not followed");
        case YAML_SCALAR_EVENT:
            return scalar(event);
        case YAML_MAPPING_START_EVENT:
            return open(event, Json::object());
        case YAML_SEQUENCE_START_EVENT:
            return open(event, Json::array());
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT: {
            Json value = std::move(m_open.back().value);
            m_open.pop_back();
            return add(event, std::move(value));
        }
        case YAML_DOCUMENT_START_EVENT:
            if (m_documents++ > 0)
                return refused(event, ErrorKind::Unsupported, "a second document begins");
            return {};
        case YAML_STREAM_END_EVENT:
            m_done = true;
            return {};
        default:
            return {};
        }
    }

private:
    const std::string& m_where;
    const YamlLimits& m_limits;
    std::vector<Open> m_open;
    Json m_root;
    std::size_t m_values = 0;
    int m_documents = 0;
    bool m_done = false;

    tl::unexpected<Error> refused(const yaml_event_t& event, ErrorKind kind, const std::string& what) const {
        return fail(
            kind, fmt::format("line {}, column {}: {}", event.start_mark.line + 1, event.start_mark.column + 1, what),
            m_where);
    }

    bool wantsKey() const { return !m_open.empty() && m_open.back().value.is_object() && !m_open.back().key; }

    Result<void> open(const yaml_event_t& event, Json empty) {
        if (m_open.size() >= m_limits.maxDepth)
            return refused(event, ErrorKind::Malformed, fmt::format("nested deeper than {} levels", m_limits.maxDepth));
        if (wantsKey())
            return refused(event, ErrorKind::Malformed, "a key that is no scalar");
        m_open.push_back({std::move(empty), {}});
        return {};
    }

    Result<void> scalar(const yaml_event_t& event) {
        const auto& scalar = event.data.scalar;
        std::string text(reinterpret_cast<const char*>(scalar.value), scalar.length);
        if (wantsKey()) {
            if (m_open.back().value.contains(text))
                return refused(event, ErrorKind::Malformed, fmt::format("the key \"{}\" occurs twice", text.substr(0, 80)));
            m_open.back().key = std::move(text);
            return {};
        }
        return add(event, scalar.style == YAML_PLAIN_SCALAR_STYLE ? plainScalar(text) : Json(std::move(text)));
    }

    Result<void> add(const yaml_event_t& event, Json value) {
        if (++m_values > kMostValues)
            return refused(event, ErrorKind::OutOfRange, fmt::format("more than {} values", kMostValues));
        if (m_open.empty()) {
            m_root = std::move(value);
            return {};
        }
        Open& parent = m_open.back();
        if (parent.value.is_array())
            parent.value.push_back(std::move(value));
        else
            parent.value[*std::exchange(parent.key, std::nullopt)] = std::move(value);
        return {};
    }
};

struct DeleteParser {
    void operator()(yaml_parser_t* parser) const {
        yaml_parser_delete(parser);
        delete parser;
    }
};

} // namespace

Result<Json> parseYaml(std::string_view text, const std::string& where, const YamlLimits& limits) {
    if (text.size() > limits.maxBytes)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("{} bytes are more than a configuration of {} may have", text.size(), limits.maxBytes),
                    where);
    if (text.empty())
        return Json();
    auto raw = std::make_unique<yaml_parser_t>();
    if (yaml_parser_initialize(raw.get()) == 0)
        return fail(ErrorKind::OutOfRange, "there is no memory for a reader of YAML", where);
    const std::unique_ptr<yaml_parser_t, DeleteParser> parser(raw.release());
    yaml_parser_set_encoding(parser.get(), YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
    Builder builder(where, limits);
    while (!builder.isDone()) {
        yaml_event_t event;
        if (yaml_parser_parse(parser.get(), &event) == 0)
            return fail(ErrorKind::Malformed,
                        fmt::format("line {}, column {}: this is no YAML ({})", parser->problem_mark.line + 1,
                                    parser->problem_mark.column + 1,
                                    parser->problem != nullptr ? parser->problem : "unknown"),
                        where);
        const auto used = builder.use(event);
        yaml_event_delete(&event);
        if (!used)
            return fail(used.error());
    }
    return builder.take();
}

} // namespace crest::series
