// SPDX-License-Identifier: Apache-2.0
// Publishing results.h5: what was published before and the rest of the journals, written beside it and renamed.
#include <cerrno>
#include <chrono>
#include <set>
#include <system_error>
#include <thread>
#include <unordered_set>

#include <fcntl.h>
#include <unistd.h>

#include "core/io/files.h"
#include "core/study/journal_reader.h"
#include "core/study/published.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr auto kResultsLockWait = std::chrono::seconds(60);

/// A plan without its cells: they are the rows themselves.
Result<std::map<std::string, std::string>> provenanceOf(const StudyFolder& folder, const std::vector<ResultRow>& rows) {
    std::set<std::string> ids;
    for (const ResultRow& row : rows)
        ids.insert(row.run);
    std::map<std::string, std::string> runs;
    for (const std::string& id : ids) {
        std::error_code ignored;
        if (id.empty() || id.find('/') != std::string::npos || !fs::exists(folder.runFolder(id) / "run.json", ignored))
            continue; // removed by the user; the rows stay
        CREST_TRY(plan, readPlan(folder, id));
        Json json = toJson(plan);
        json.erase("cells");
        json.erase("batches");
        runs[id] = canonicalJson(json);
    }
    return runs;
}

Result<PublishedResults> everything(const StudyFolder& folder) {
    PublishedResults all;
    JournalReader journals(folder.journalFolder(), folder.runnersFolder());
    std::error_code ignored;
    if (fs::exists(folder.resultsFile(), ignored)) {
        if (auto published = readPublished(folder.resultsFile())) {
            all = std::move(*published);
            journals.startAt(all.reach);
        } else if (published.error().kind == ErrorKind::Unsupported) {
            return fail(published.error()); // a newer Crest's: it may hold what no journal holds any more
        }
    }
    CREST_TRY(rest, journals.poll());
    std::unordered_set<std::string> keys;
    for (const ResultRow& row : all.rows)
        keys.insert(row.key);
    for (ResultRow& row : rest)
        if (keys.insert(row.key).second)
            all.rows.push_back(std::move(row));
    all.reach = journals.positions();
    return all;
}

Result<void> syncFile(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail(io::systemError(errno, "open", file));
    const int code = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    if (code != 0)
        return fail(io::systemError(code, "sync", file));
    return {};
}

} // namespace

Result<void> publishResults(const StudyFolder& folder) {
    if (!folder.writable())
        return fail(ErrorKind::Io, "This study folder cannot be written, so results.h5 cannot be published.",
                    folder.path().string());
    CREST_TRY(lock, io::FileLock::waitFor(folder.path() / "results.lock", kResultsLockWait));
    CREST_TRY(all, everything(folder));
    CREST_TRY(runs, provenanceOf(folder, all.rows));
    fs::path making = folder.resultsFile();
    making += ".tmp";
    const auto make = [&]() -> Result<void> {
        CREST_CHECK(writePublished(making, std::move(all), runs));
        CREST_CHECK(syncFile(making));
        std::error_code error;
        fs::rename(making, folder.resultsFile(), error);
        if (error)
            return fail(io::systemError(error.value(), "rename", making));
        return io::syncFolder(folder.path());
    };
    auto made = make();
    if (!made)
        ::unlink(making.c_str());
    return made;
}

} // namespace crest::study
