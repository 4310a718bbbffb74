// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_reader.h"

#include "ui/data/format.h"

namespace crest::ui {
namespace {

constexpr int kPollMs = 500;

bool isOver(study::RunState state) {
    return state == study::RunState::Done || state == study::RunState::Stopped || state == study::RunState::Failed;
}

} // namespace

StudyReader::StudyReader(study::StudyFolder folder, std::shared_ptr<StoredKeys> stored)
    : m_folder(std::move(folder)), m_stored(std::move(stored)), m_results(m_folder) {}

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
    m_timer = new QTimer(this);
    connect(m_timer, &QTimer::timeout, this, &StudyReader::poll);
    m_timer->start(kPollMs);
    poll();
}

void StudyReader::poll() {
    auto fresh = m_results.poll();
    std::vector<Issue> issues;
    if (!fresh)
        issues.push_back({toQString(fresh.error().where), toQString(fresh.error().message)});
    for (const study::ReadProblem& problem : m_results.problems())
        issues.push_back({toQString(problem.where), toQString(problem.message)});
    const bool more = fresh && !fresh->empty();
    if (more) {
        m_stored->add(*fresh);
        for (study::ResultRow& row : *fresh) {
            ++m_measured[toQString(row.checkpoint)];
            m_rows.push_back(std::move(row));
        }
    }
    m_issues = std::move(issues);
    readRuns();
    bool dirty = more;
    {
        const std::lock_guard lock(m_mutex);
        dirty = dirty || m_shownDirty;
        m_shownDirty = false;
    }
    if (dirty)
        publishShown();
    if (std::exchange(m_first, false))
        Q_EMIT firstReadDone();
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
        snapshot->runs.push_back(std::move(*status));
    }
    snapshot->issues = m_issues;
    snapshot->measured = m_measured;
    snapshot->tokensPerSecond = m_rate;
    Q_EMIT runsRead(std::move(snapshot));
}

void StudyReader::publishShown() {
    auto results = std::make_shared<analysis::ProbeResults>();
    std::string shown;
    {
        const std::lock_guard lock(m_mutex);
        shown = m_shown;
        results->parameters = m_parameters;
        results->flopsPerToken = m_flopsPerToken;
    }
    if (shown.empty())
        return;
    if (m_planRun != shown) {
        auto plan = study::readPlan(m_folder, shown);
        if (!plan)
            return; // listed as an issue by readRuns
        m_plan = std::move(*plan);
        m_planRun = shown;
    }
    results->plan = *m_plan;
    results->rows = m_rows;
    results->studyName = m_folder.study().name;
    results->studyCommand = "crest export " + m_folder.path().string() + " --run " + shown + " --figure curves -o curves.pdf";
    auto view = std::make_shared<ProbeView>();
    view->version = ++m_version;
    if (auto table = analysis::inflectionTable(*results))
        view->inflections = std::move(*table);
    view->results = std::move(results);
    Q_EMIT probeRead(std::move(view));
}

} // namespace crest::ui
