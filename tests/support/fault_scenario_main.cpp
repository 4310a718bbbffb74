// SPDX-License-Identifier: Apache-2.0
// crest-fault-scenario STUDY ACKS: everything that Crest writes into a study, once, whatever fails on the way:
// study.json, a run, a runner, a claim, events, two groups of results, control.json, results.h5. On stdout "failed
// STEP: ..." for what failed; each result that counts as stored is a line of the file ACKS by then. With the word
// "publish" before STUDY: results.h5 alone, as the child does it.
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "core/run/claims.h"
#include "core/run/publish_child.h"
#include "core/run/result_row.h"
#include "core/run/runner_registration.h"
#include "core/study/journal_writer.h"
#include "core/study/results.h"
#include "core/study/run_log.h"
#include "core/study/runs.h"
#include "tests/support/fault_scenario.h"

using namespace crest;

namespace {

bool said(const char* step, const Result<void>& done) {
    if (!done)
        std::printf("failed %s: %s\n", step, done.error().text().c_str());
    return done.has_value();
}

template<class T> bool said(const char* step, const Result<T>& done) {
    return said(step, done ? Result<void>() : Result<void>(fail(done.error())));
}

void acknowledge(const std::string& file, const std::vector<study::ResultRow>& rows) {
    const int acks = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    for (const study::ResultRow& row : rows)
        (void)!::write(acks, (row.key + "\n").data(), row.key.size() + 1);
    ::close(acks);
}

/// A group is tried three times where the disk is full, as the executor does it without end.
bool store(study::JournalWriter& journal, const std::vector<study::ResultRow>& rows, const std::string& acks) {
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto stored = journal.commit(rows);
        if (said("journal", stored)) {
            acknowledge(acks, rows);
            return true;
        }
        if (stored.error().kind != ErrorKind::NoSpace)
            break;
    }
    return false;
}

int publish(const char* path) {
    const auto folder = study::StudyFolder::open(path);
    const auto published = folder ? study::publishResults(*folder) : Result<void>(fail(folder.error()));
    if (!published)
        std::fprintf(stderr, "%s\n", published.error().text().c_str());
    std::fflush(nullptr);
    ::_exit(published ? 0 : 1);
}

int everything(const std::string& path, const std::string& acks) {
    auto folder = study::StudyFolder::open(path);
    if (!said("open", folder))
        return 1;
    study::Study changed = folder->study();
    changed.name = "changed";
    said("study.json", folder->save(changed));
    const auto id = study::queueRun(*folder, pretend::makePlan(test::faultShape()));
    if (!said("run", id))
        return 1;
    const auto runner = run::RunnerRegistration::make(*folder, "cpu", 1, 1);
    if (!said("runner", runner))
        return 1;
    run::Claims claims(*folder, *id, runner->writer(), true);
    said("claim", claims.claim(0));
    auto log = study::RunLog::create(folder->runFolder(*id), runner->writer());
    said("events", log);
    study::JournalWriter journal(folder->journalFolder(), runner->writer());
    const std::vector<study::ResultRow> rows = test::faultRows();
    const auto half = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
    const bool first = store(journal, {rows.begin(), half}, acks);
    if (log)
        log->add({study::RunEvent::Type::Message, {}, "half", ""});
    if (store(journal, {half, rows.end()}, acks) && first)
        claims.markDone(0);
    said("control.json", study::controlRun(*folder, *id, study::RunCommand::Pause));
    said("results.h5", run::runPublisher({"/proc/self/exe", "publish", path}));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    return argv[1] == std::string("publish") ? publish(argv[2]) : everything(argv[1], argv[2]);
}
