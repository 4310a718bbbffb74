// SPDX-License-Identifier: Apache-2.0
// The chat template of a checkpoint's tokenizer: messages to the text that the model was trained to see, as
// transformers 5.23 renders it for lm-evaluation-harness 0.4.13. A template is a file from anywhere: template.h bounds
// its steps, its output and its depth, and it can call nothing.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/data/template.h"

namespace crest::data {

struct ChatMessage {
    std::string role, content;
    bool operator==(const ChatMessage&) const = default;
};

/// What lies beside a tokenizer, before anything of it is parsed.
struct ChatFiles {
    std::map<std::string, std::string> templates; ///< by name; the usual one is "default"
    std::map<std::string, std::string> specials;  ///< "bos_token": "<s>", ...
    bool operator==(const ChatFiles&) const = default;
};

/// chat_template.jinja with additional_chat_templates/*.jinja, else "chat_template" of tokenizer_config.json (a text, or
/// a list with names), else of chat_template.json. No template is no error. Errors name the file.
Result<ChatFiles> readChatFiles(const std::filesystem::path& tokenizerFolder);

/// Of the content of tokenizer_config.json alone. `modelType` as in config.json: of some, transformers ignores the class that
/// the tokenizer says it has, and the tokens that go with it.
Result<ChatFiles> chatFilesOf(const Json& config, const std::string& where, const std::string& modelType = {});

/// Immutable; any thread may render.
class ChatTemplate {
public:
    /// The template of this name, "" for "default" (of a single one its name does not count). `date`: what strftime_now
    /// says ("2026-11-27"), "" where that is an error. NotFound with a sentence where the tokenizer has none, or none of
    /// that name; errors of Template::parse.
    static Result<ChatTemplate> choose(const ChatFiles& files, const std::string& name, const std::string& date,
                                       const std::string& where);

    struct Rendered {
        std::string text;
        bool withoutSystem = false; ///< the template refused the system message, so it was left out
    };
    /// With the opening of the answer behind it (add_generation_prompt). As in the harness, a template that refuses is
    /// asked again without messages of the system. Errors of Template::text.
    Result<Rendered> render(std::span<const ChatMessage> messages) const;

    /// SHA-256 of the template and of the special tokens that it names: what a result is keyed by. Others do not count, so
    /// that a checkpoint with another padding token, or with a further template for tools, is asked the same.
    std::string hash() const;
    /// Whether it says a date (strftime_now), so that its prompts change from day to day.
    bool saysDate() const;

private:
    Template m_template;
    Json m_specials;
    std::string m_date, m_where;

    Result<std::string> renderOnce(std::span<const ChatMessage> messages, bool withSystem) const;
};

/// Today, as strftime_now needs it.
std::string today();

} // namespace crest::data
