// SPDX-License-Identifier: Apache-2.0
#include "core/study/results.h"

#include <system_error>
#include <unordered_set>

#include "core/study/journal_reader.h"
#include "core/study/published.h"

namespace crest::study {

struct ResultReader::State {
    std::filesystem::path published;
    JournalReader journals;
    std::unordered_set<std::string> keys;
    std::vector<ReadProblem> publishedProblems, problems;
    bool begun = false;
};

ResultReader::ResultReader(const StudyFolder& folder)
    : m_state(new State{
          folder.resultsFile(), JournalReader(folder.journalFolder(), folder.runnersFolder()), {}, {}, {}, false}) {}
ResultReader::~ResultReader() = default;
ResultReader::ResultReader(ResultReader&&) noexcept = default;
ResultReader& ResultReader::operator=(ResultReader&&) noexcept = default;

Result<std::vector<ResultRow>> ResultReader::poll() {
    State& state = *m_state;
    std::vector<ResultRow> fresh;
    const auto take = [&](std::vector<ResultRow>&& rows) {
        for (ResultRow& row : rows)
            if (state.keys.insert(row.key).second)
                fresh.push_back(std::move(row));
    };
    std::error_code ignored;
    if (!state.begun && std::filesystem::exists(state.published, ignored)) {
        if (auto published = readPublished(state.published)) {
            take(std::move(published->rows));
            state.journals.startAt(published->reach);
        } else {
            const bool isNewer = published.error().kind == ErrorKind::Unsupported; // publishResults leaves it alone
            state.publishedProblems.push_back(
                {state.published.filename().string(),
                 "Cannot be read (" + published.error().message + "); the journals are read instead. " +
                     (isNewer ? "Use a newer Crest; this one leaves the file as it is."
                              : "The next run writes it anew.")});
        }
    }
    state.begun = true;
    CREST_TRY(rows, state.journals.poll());
    take(std::move(rows));
    state.problems = state.publishedProblems;
    state.problems.insert(state.problems.end(), state.journals.problems().begin(), state.journals.problems().end());
    return fresh;
}

bool ResultReader::has(const std::string& key) const {
    return m_state->keys.contains(key);
}

const std::vector<ReadProblem>& ResultReader::problems() const {
    return m_state->problems;
}

} // namespace crest::study
