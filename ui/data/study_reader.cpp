// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_reader.h"

#include "core/study/runs.h"
#include "ui/data/format.h"
#include "ui/data/probe_loading.h"
#include "ui/data/runner_supervisor.h"

namespace crest::ui {
namespace {

constexpr int kPollMs = 500;
constexpr std::size_t kMostFailedListed = 200;

bool isOver(study::RunState state) {
    return state == study::RunState::Done || state == study::RunState::Stopped || state == study::RunState::Failed;
}

} // namespace

StudyReader::StudyReader(study::StudyFolder folder, std::shared_ptr<StoredKeys> stored)
    : m_folder(std::move(folder))
    , m_stored(std::move(stored))
    , m_results(m_folder) {}

StudyReader::~StudyReader() = default;

void StudyReader::setShownRun(const std::string& runId) {
    {
        const std::lock_guard lock(m_mutex);
        m_shown = runId;
        m_shownDirty = true;
    }
    QMetaObject::invokeMethod(this, &StudyReader::poll, Qt::QueuedConnection);
}

void StudyReader::setModelFacts(std::int64_t parameters, double trainingFlopsPerToken) {
    const std::lock_guard lock(m_mutex);
    m_parameters = parameters;
    m_flopsPerToken = trainingFlopsPerToken;
    m_shownDirty = true;
}

void StudyReader::start() {
    m_rate = study::measuredRate(m_folder);
    m_timer = new QTimer(this);
    connect(m_timer, &QTimer::timeout, this, &StudyReader::poll);
    m_timer->start(kPollMs);
    poll();
}

void StudyReader::poll() {
    readResults();
    readRuns();
    bool asked = false;
    {
        const std::lock_guard lock(m_mutex);
        asked = std::exchange(m_shownDirty, false);
    }
    // Statistics of large probes take long: not more than a quarter of the time goes into them while results stream in.
    const bool due = m_fresh && (!m_sinceShown.isValid() || m_sinceShown.elapsed() >= 3 * m_showMs);
    if (!asked && !due)
        return;
    m_fresh = false;
    QElapsedTimer clock;
    clock.start();
    publishShown();
    m_showMs = clock.elapsed();
    m_sinceShown.start();
}

void StudyReader::readResults() {
    m_issues.clear();
    auto fresh = m_results.poll();
    if (!fresh)
        m_issues.push_back({toQString(fresh.error().where), toQString(fresh.error().message)});
    for (const study::ReadProblem& problem : m_results.problems())
        m_issues.push_back({toQString(problem.where), toQString(problem.message)});
    if (!fresh || fresh->empty())
        return;
    m_fresh = true;
    m_stored->add(*fresh);
    for (study::ResultRow& row : *fresh) {
        ++m_measured[toQString(row.series + "/" + row.checkpoint)];
        m_weights[row.series + "/" + row.checkpoint] = row.weights;
        std::string key = row.key;
        m_rows.insert_or_assign(std::move(key), std::move(row));
    }
}

void StudyReader::readRuns() {
    auto snapshot = std::make_shared<RunsSnapshot>();
    for (const std::string& id : study::listRuns(m_folder)) {
        auto follower = m_followers.find(id);
        if (follower == m_followers.end())
            follower = m_followers.emplace(id, study::RunFollower(m_folder, id)).first;
        auto status = follower->second.poll();
        if (!status) {
            m_issues.push_back({toQString(status.error().where), toQString(status.error().message)});
            continue;
        }
        if (status->tokensPerSecond > 0 && !isOver(status->state))
            m_rate = status->tokensPerSecond;
        listFailedCells(*status);
        snapshot->runs.push_back(std::move(*status));
    }
    snapshot->devicesAtWork = devicesAtWork(m_folder);
    snapshot->weights = m_weights;
    snapshot->issues = m_issues;
    snapshot->measured = m_measured;
    snapshot->tokensPerSecond = m_rate;
    Q_EMIT runsRead(std::move(snapshot));
}

/// One issue for each: which cell, why, and what to do.
void StudyReader::listFailedCells(const study::RunStatus& run) {
    if (run.failed.empty()) {
        m_failedPlans.erase(run.id);
        return;
    }
    auto plan = m_failedPlans.find(run.id);
    if (plan == m_failedPlans.end()) {
        auto read = study::readPlan(m_folder, run.id);
        if (!read)
            return; // readRuns lists it as an issue
        plan = m_failedPlans.emplace(run.id, std::move(*read)).first;
    }
    for (std::size_t i = 0; i < run.failed.size(); ++i) {
        if (i == kMostFailedListed) {
            m_issues.push_back({QStringLiteral("run ") + toQString(run.id),
                                tr("%1 further cells failed; the run's log has them all.").arg(run.failed.size() - i)});
            break;
        }
        const study::FailedCell& failed = run.failed[i];
        m_issues.push_back({failedCellText(plan->second, failed.cell),
                            toQString(failed.message) + u' ' +
                                tr("The other cells are kept. Mend this, then click Re-run failed in Runs.")});
    }
}

std::shared_ptr<analysis::ProbeResults> StudyReader::shownResults() {
    auto results = std::make_shared<analysis::ProbeResults>();
    std::string shown;
    {
        const std::lock_guard lock(m_mutex);
        shown = m_shown;
        results->parameters = m_parameters;
        results->flopsPerToken = m_flopsPerToken;
    }
    if (shown.empty())
        return {};
    if (m_planRun != shown) {
        auto plan = study::readPlan(m_folder, shown);
        if (!plan)
            return {}; // readRuns lists it as an issue
        m_plan = std::move(*plan);
        m_planRun = shown;
    }
    results->plan = *m_plan;
    for (const study::Cell& cell : m_plan->cells)
        for (const std::string& key : cell.keys)
            if (const auto row = m_rows.find(key); row != m_rows.end())
                results->rows.push_back(row->second);
    results->studyName = m_folder.study().name;
    results->studyCommand = exportCommand(m_folder, shown);
    return results;
}

void StudyReader::publishShown() {
    auto results = shownResults();
    if (!results)
        return;
    auto view = std::make_shared<ProbeView>();
    view->version = ++m_version;
    if (auto table = analysis::inflectionTable(*results))
        view->inflections = std::move(*table);
    view->results = std::move(results);
    Q_EMIT probeRead(std::move(view));
}

} // namespace crest::ui
