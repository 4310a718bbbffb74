// SPDX-License-Identifier: Apache-2.0
// How a row of fine-tuning data becomes text, with what is learned of it: readable JSON files, one for each form of
// rows and one for each way of writing dialogues (the form: resources/tuning/README.md). They only read the row they
// are given, and steps and output are bounded, so a file from anywhere can be run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data {

/// A stretch of an example.
struct TuningSegment {
    std::string text;
    bool learned = false;
    bool isEnd = false; ///< the tokenizer's end token stands here, `text` is empty
    bool operator==(const TuningSegment&) const = default;
};

struct DialogueTurn {
    std::string role, content;
};

namespace tuning {
struct Turns;
struct Form;
} // namespace tuning

/// How the turns of a dialogue are written (tulu, zephyr, chatml, ...). Immutable; any thread may use it.
class ChatStyle {
public:
    /// Malformed or Unsupported, naming the key.
    static Result<ChatStyle> parse(const Json& definition, const std::string& where);
    /// The turns one after the other, up to the last that is learned: what follows it goes, and nothing is left where
    /// there is none. A blank answer is not learned. NotFound for a role without its templates.
    Result<std::vector<TuningSegment>> write(const std::vector<DialogueTurn>& turns) const;

    const std::string& name() const { return m_name; }
    const Json& definition() const { return m_definition; }

private:
    friend class TuningTemplate;
    std::string m_name;
    Json m_definition;
    std::shared_ptr<const tuning::Turns> m_turns;
};

/// A form of rows. Immutable; any thread may use it.
class TuningTemplate {
public:
    /// Malformed or Unsupported, naming the key.
    static Result<TuningTemplate> parse(const Json& definition, const std::string& where);

    const std::string& name() const { return m_name; }
    /// Its canonical JSON is what a study keeps of it.
    const Json& definition() const { return m_definition; }
    /// Fields that a row has where it is of this form.
    const std::vector<std::string>& needs() const { return m_needs; }
    /// False where a row with these fields may as well be something else: it is never taken without being named.
    bool recognised() const { return m_recognised; }
    /// The row has the fields, and what else the file asks for.
    bool fits(const Json& row) const;

    /// The row as text. A dialogue is written by `style`, by the form's own turns where that is null; a prompt with its
    /// completion is a dialogue of two turns for a style. Errors say why the row cannot be used; in all of them `where`
    /// is empty. What follows the last learned segment is kept. `outOfTurn`: whether an answer of a dialogue follows no question.
    Result<std::vector<TuningSegment>> segments(const Json& row, const ChatStyle* style = nullptr,
                                                bool* outOfTurn = nullptr) const;

private:
    std::string m_name;
    Json m_definition;
    std::vector<std::string> m_needs;
    bool m_recognised = true;
    std::shared_ptr<const tuning::Form> m_form;
};

/// What a folder of such files holds: *.json are forms, chat/*.json styles.
struct TuningTemplates {
    std::vector<TuningTemplate> forms; ///< in order of their names
    std::vector<ChatStyle> styles;

    const TuningTemplate* form(const std::string& name) const;
    const ChatStyle* style(const std::string& name) const;
};

/// The first file that is wrong is an error that names it.
Result<TuningTemplates> readTuningTemplates(const std::filesystem::path& folder);
Result<TuningTemplate> readTuningTemplate(const std::filesystem::path& file);
Result<ChatStyle> readChatStyle(const std::filesystem::path& file);

/// The form of a row: of those that fit the one that needs most fields. Mismatch where none fits, where two fit equally
/// well, or where it must be named; the sentence has the row's fields and the forms that would fit.
Result<TuningTemplate> recogniseForm(const Json& row, const TuningTemplates& templates);
/// "question, answer (empty), meta (id, url inside)": for sentences.
std::string fieldsOf(const Json& row);

} // namespace crest::data
