// SPDX-License-Identifier: Apache-2.0
// Rows to items: what is asked of a model, string for string as the harness asks it.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/data/chat_template.h"
#include "core/data/compiled_task.h"
#include "core/data/few_shot.h"
#include "core/data/py_text.h"
#include "core/data/split_rows.h"

namespace crest::data {
namespace {

constexpr std::size_t kMostChoices = 10'000;
constexpr std::uint64_t kMostItemBytes = 16'000'000'000; ///< of texts of all items of a task

/// What templates make of one row.
class RowTexts {
public:
    RowTexts(const CompiledTask& task, const Json& row)
        : m_task(task)
        , m_row(row) {}

    Result<std::string> text(const std::optional<Template>& source, const char* what) const {
        if (!source)
            return std::string();
        auto made = source->text(m_row);
        return made ? made : Result<std::string>(named(made.error(), what));
    }

    Result<std::vector<std::string>> list(const std::optional<Template>& source, const char* what) const {
        auto made = source->value(m_row);
        if (!made)
            return named(made.error(), what);
        std::vector<std::string> texts;
        if (!made->is_array() || made->size() > kMostChoices)
            return fail(ErrorKind::Malformed, fmt::format("{}: is no list of at most {} texts", what, kMostChoices));
        for (const Json& one : *made) {
            if (!one.is_string())
                return fail(ErrorKind::Malformed, fmt::format("{}: {} is no text", what, one.dump().substr(0, 40)));
            texts.push_back(one.get<std::string>());
        }
        return texts;
    }

    Result<std::vector<std::string>> choices() const {
        if (m_task.choices)
            return list(m_task.choices, "choices");
        std::vector<std::string> texts;
        for (const Template& one : m_task.choiceList) {
            auto made = one.text(m_row);
            if (!made)
                return named(made.error(), "choices");
            texts.push_back(std::move(*made));
        }
        return texts;
    }

    /// The right choice: its index, digits that are its index, or its text.
    Result<std::int32_t> gold(const std::vector<std::string>& choices) const {
        auto made = m_task.gold->value(m_row);
        if (!made)
            return named(made.error(), "gold");
        std::int64_t index = -1;
        if (made->is_number_integer()) {
            index = made->get<std::int64_t>();
        } else if (made->is_string()) {
            const std::string& text = made->get_ref<const std::string&>();
            const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
            if (text.empty() || text[0] == '-' || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
                index = std::ranges::find(choices, text) - choices.begin();
        }
        if (index < 0 || index >= static_cast<std::int64_t>(choices.size()))
            return fail(ErrorKind::Malformed,
                        fmt::format("the right answer, {}, is none of the {} choices",
                                    made->dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60),
                                    choices.size()));
        return static_cast<std::int32_t>(index);
    }

private:
    const CompiledTask& m_task;
    const Json& m_row;

    static tl::unexpected<Error> named(const Error& error, const char* what) {
        return fail(error.kind, fmt::format("{}: {}", what, error.message));
    }
};

/// Question, and the answer that stands behind it in a shot.
Result<Shot> shotOf(const CompiledTask& task, const Json& row) {
    const RowTexts texts(task, row);
    Shot shot;
    if (task.kind == TaskKind::MultipleChoice) {
        CREST_TRY(choices, task.contexts ? texts.list(task.contexts, "contexts") : texts.choices());
        CREST_TRY(gold, texts.gold(choices));
        CREST_TRY(context, texts.text(task.context, "context"));
        CREST_TRY(continuation, texts.text(task.continuation, "continuation"));
        shot.question = task.contexts ? choices[static_cast<std::size_t>(gold)] : context;
        shot.answer = task.contexts ? continuation : choices[static_cast<std::size_t>(gold)];
    } else {
        CREST_TRY(context, texts.text(task.context, "context"));
        const bool likelihood = task.kind == TaskKind::Loglikelihood;
        CREST_TRY(right,
                  likelihood ? texts.text(task.continuation, "continuation") : texts.text(task.answer, "answer"));
        shot.question = context;
        shot.answer = right;
    }
    // A choice is an answer even where it is empty.
    shot.answered = !shot.answer.empty() || (task.kind == TaskKind::MultipleChoice && !task.contexts);
    return shot;
}

/// prefix and suffix with `delimiter` between them, unless there is white space already (the harness's maybe_delimit).
std::string delimited(const std::string& prefix, const std::string& suffix, const std::string& delimiter) {
    const bool space = pyRightStrip(prefix).size() < prefix.size() || pyLeftStrip(suffix).size() < suffix.size();
    return prefix.empty() || suffix.empty() || space ? prefix + suffix : prefix + delimiter + suffix;
}

/// What stands in front of the question, and how they become one context: as plain text, or by a chat template.
class Front {
public:
    Front(const CompiledTask& task, const ChatTemplate* chat, std::string system, const std::vector<const Shot*>& shots)
        : m_task(task)
        , m_chat(chat)
        , m_system(std::move(system)) {
        if (m_chat && m_task.chat.multiturn)
            addTurns(shots);
        else
            for (const Shot* shot : shots)
                m_shots += shot->answered ? shot->question + task.delimiter + shot->answer + task.shotDelimiter
                                          : shot->question;
    }

    Result<std::string> with(const std::string& question) {
        if (!m_chat)
            return m_system + m_shots + question;
        std::vector<ChatMessage> messages;
        if (!m_system.empty())
            messages.push_back({"system", m_system});
        messages.insert(messages.end(), m_turns.begin(), m_turns.end());
        messages.push_back({"user", m_shots + question});
        CREST_TRY(rendered, m_chat->render(messages));
        m_withoutSystem |= rendered.withoutSystem;
        return std::move(rendered.text);
    }
    bool withoutSystem() const { return m_withoutSystem; }

private:
    const CompiledTask& m_task;
    const ChatTemplate* m_chat;
    std::string m_system, m_shots;
    std::vector<ChatMessage> m_turns;
    bool m_withoutSystem = false;

    void addTurns(const std::vector<const Shot*>& shots) {
        for (const Shot* shot : shots) {
            m_turns.push_back({"user", shot->question});
            if (shot->answered)
                m_turns.push_back({"assistant", shot->answer});
        }
    }
};

Result<void> askChoices(const CompiledTask& task, const RowTexts& texts, Front& front, bool chat, TaskItem& item) {
    CREST_TRY(choices, task.contexts ? texts.list(task.contexts, "contexts") : texts.choices());
    CREST_TRY(gold, texts.gold(choices));
    CREST_TRY(context, texts.text(task.context, "context"));
    CREST_TRY(continuation, texts.text(task.continuation, "continuation"));
    const std::string delimiter = chat ? "" : task.delimiter; // a template has opened the answer
    std::string shared;
    if (!task.contexts) {
        CREST_TRY(asked, front.with(context));
        shared = std::move(asked);
    }
    for (const std::string& choice : choices) {
        CREST_TRY(asked, task.contexts ? front.with(choice) : Result<std::string>(shared));
        item.requests.push_back({std::move(asked), delimiter + (task.contexts ? continuation : choice)});
    }
    item.choices = std::move(choices);
    item.gold = gold;
    return {};
}

Result<void> askDocument(const CompiledTask& task, const RowTexts& texts, TaskItem& item) {
    CREST_TRY(document, texts.text(task.document, "document"));
    CREST_TRY(counted, texts.text(task.counted, "counted"));
    item.original = task.counted ? std::move(counted) : document;
    item.requests.push_back({"", std::move(document)});
    return {};
}

Result<TaskItem> itemOf(const CompiledTask& task, const Json& row, const std::vector<const Shot*>& shots,
                        const ChatTemplate* chat, bool& withoutSystem) {
    const RowTexts texts(task, row);
    TaskItem item;
    if (task.kind == TaskKind::Rolling) {
        CREST_CHECK(askDocument(task, texts, item));
        return item;
    }
    CREST_TRY(description, texts.text(task.description, "description"));
    Front front(task, chat, delimited(task.system, description, task.shotDelimiter), shots);
    if (task.kind == TaskKind::MultipleChoice) {
        CREST_CHECK(askChoices(task, texts, front, chat != nullptr, item));
        withoutSystem = front.withoutSystem();
        return item;
    }
    CREST_TRY(context, texts.text(task.context, "context"));
    CREST_TRY(continuation, texts.text(task.continuation, "continuation"));
    CREST_TRY(asked, front.with(context));
    item.requests.push_back({std::move(asked), continuation});
    withoutSystem = front.withoutSystem();
    if (task.kind == TaskKind::Loglikelihood && continuation.empty())
        return fail(ErrorKind::Malformed, "continuation: is empty");
    if (task.kind == TaskKind::Generation && task.references.empty() && task.answer) {
        CREST_TRY(answer, texts.text(task.answer, "answer"));
        item.references.push_back(std::move(answer));
    }
    for (const Template& reference : task.references) {
        CREST_TRY(one, texts.text(reference, "references"));
        item.references.push_back(std::move(one));
    }
    return item;
}

std::uint64_t bytesOf(const TaskItem& item) {
    std::uint64_t bytes = item.original.size() + sizeof item;
    for (const ItemRequest& request : item.requests)
        bytes += request.context.size() + request.continuation.size() + sizeof request;
    for (const std::string& choice : item.choices)
        bytes += choice.size() + sizeof choice;
    return bytes;
}

class ItemMaker {
public:
    ItemMaker(const CompiledTask& task, DataFolder& folder, const ItemOptions& options, int shots,
              const JobContext& job)
        : m_task(task)
        , m_options(options)
        , m_shots(shots)
        , m_chat(task.chat.on ? options.chat : nullptr)
        , m_rows(task, folder, job) {}

    Result<TaskItems> run() {
        const std::vector<Json> whole{Json::object()};
        const std::vector<Json>& parts = m_task.parts.empty() ? whole : m_task.parts;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            if (!m_task.parts.empty())
                m_made.parts.emplace_back(parts[p]["name"].get<std::string>(),
                                          static_cast<std::int64_t>(m_made.items.size()));
            CREST_CHECK(part(parts[p], static_cast<std::int32_t>(p)));
        }
        CREST_CHECK(SplitRows::checkShare(m_counts, m_options.maxBadShare, m_task.name));
        CREST_TRY(hash, m_rows.dataHash());
        m_made.dataHash = std::move(hash);
        m_made.rows = m_counts.rows;
        m_made.badRows = m_counts.bad;
        m_made.badExamples = std::move(m_counts.badExamples);
        if (m_made.items.empty())
            return fail(ErrorKind::Malformed, "no row can be used", m_task.name);
        return std::move(m_made);
    }

private:
    const CompiledTask& m_task;
    const ItemOptions& m_options;
    int m_shots;
    const ChatTemplate* m_chat;
    SplitRows m_rows;
    RowCounts m_counts;
    TaskItems m_made;
    std::int64_t m_documents = 0; ///< rows of the parts before, also those beyond the limit
    std::uint64_t m_bytes = 0;

    Result<void> part(const Json& part, std::int32_t index) {
        FewShot shots(m_task.shots, m_shots, [&](const Json& row) { return shotOf(m_task, row); });
        CREST_CHECK(fillPool(part, shots));
        const std::int64_t before = m_counts.rows;
        const auto take = [&](Json row) -> Result<bool> {
            CREST_TRY(front, shots.before(row));
            bool withoutSystem = false;
            CREST_TRY(item, itemOf(m_task, row, front, m_chat, withoutSystem));
            m_made.withoutSystem += withoutSystem ? 1 : 0;
            item.document = m_documents + m_counts.rows - before - 1;
            item.part = index;
            m_bytes += bytesOf(item);
            m_made.items.push_back(std::move(item));
            return m_bytes <= kMostItemBytes;
        };
        std::int64_t all = 0; // so that a row has the same number with any limit
        CREST_CHECK(m_rows.each(m_task.evaluate, part, m_options.limit, m_counts, take,
                                m_task.parts.empty() ? nullptr : &all));
        if (m_bytes > kMostItemBytes)
            return fail(ErrorKind::OutOfRange, "the items are larger than 16 GB together; set a limit", m_task.name);
        m_documents += all;
        return {};
    }

    Result<void> fillPool(const Json& part, FewShot& shots) {
        if (m_shots == 0)
            return {};
        for (const Json& row : m_task.shots.rows)
            CREST_CHECK(shots.add(row));
        if (!m_task.shots.rows.empty())
            return {};
        RowCounts counts;
        Result<void> added;
        CREST_CHECK(m_rows.each(m_task.shots.from, part, 0, counts, [&](Json row) -> Result<bool> {
            added = shots.add(row);
            return added.has_value();
        }));
        CREST_CHECK(added);
        CREST_CHECK(SplitRows::checkShare(counts, m_options.maxBadShare, m_task.name + ": rows for shots"));
        for (std::string& example : counts.badExamples)
            m_made.badExamples.push_back(std::move(example));
        if (shots.poolSize() < m_shots + (m_task.shots.withoutSelf && !m_task.shots.first ? 1 : 0))
            return fail(ErrorKind::OutOfRange,
                        fmt::format("{} shots cannot be chosen from the {} rows \"{}\"", m_shots, shots.poolSize(),
                                    m_task.shots.from),
                        m_task.name);
        return {};
    }
};

} // namespace

Result<TaskItems> makeItems(const TaskDefinition& task, const std::filesystem::path& dataFolder,
                            const ItemOptions& options, const JobContext& job) {
    CREST_TRY(compiled, compileTask(task.definition, ""));
    const int shots = options.shots >= 0 ? options.shots : task.shots;
    if (shots > 1000)
        return fail(ErrorKind::OutOfRange, fmt::format("{} shots; the most is 1000", shots), task.name);
    if (compiled.chat.on && !options.chat && !options.withoutChat)
        return fail(ErrorKind::Internal, "a task that is asked as a chat, without the tokenizer's template", task.name);
    CREST_TRY(folder, DataFolder::open(dataFolder));
    return ItemMaker(compiled, folder, options, shots, job).run();
}

} // namespace crest::data
