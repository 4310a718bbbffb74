// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_reader.h"

#include "core/analysis/probe_training_runs.h"
#include "core/study/runs.h"
#include "ui/data/format.h"
#include "ui/data/issues.h"
#include "ui/data/runner_supervisor.h"
#include "ui/data/series_watch.h"

namespace crest::ui {
namespace {

constexpr int kPollMs = 500;

PlanPointers plansOf(const std::map<std::string, study::Plan>& byRun) {
    PlanPointers plans;
    for (const auto& [id, plan] : byRun)
        plans.push_back(&plan);
    return plans;
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

void StudyReader::setMetric(const std::string& metric) {
    {
        const std::lock_guard lock(m_mutex);
        if (m_metric == metric)
            return;
        m_metric = metric;
        m_shownDirty = true;
    }
    QMetaObject::invokeMethod(this, &StudyReader::poll, Qt::QueuedConnection);
}

void StudyReader::setOverlays(std::vector<study::Overlay> overlays) {
    {
        const std::lock_guard lock(m_mutex);
        if (m_overlays == overlays)
            return;
        m_overlays = std::move(overlays);
        m_shownDirty = true;
    }
    QMetaObject::invokeMethod(this, &StudyReader::poll, Qt::QueuedConnection);
}

void StudyReader::setWantedItems(std::optional<analysis::ItemTableOptions> wanted) {
    {
        const std::lock_guard lock(m_mutex);
        m_wantedItems = std::move(wanted);
        m_itemsDirty = true;
    }
    QMetaObject::invokeMethod(this, &StudyReader::poll, Qt::QueuedConnection);
}

void StudyReader::setWantedSamples(std::optional<analysis::ItemTableOptions> wanted) {
    {
        const std::lock_guard lock(m_mutex);
        m_wantedSamples = std::move(wanted);
        m_itemsDirty = true;
    }
    QMetaObject::invokeMethod(this, &StudyReader::poll, Qt::QueuedConnection);
}

void StudyReader::setSeriesFacts(SeriesFacts facts) {
    const std::lock_guard lock(m_mutex);
    if (m_facts == facts)
        return;
    m_facts = std::move(facts);
    m_shownDirty = true;
}

void StudyReader::start() {
    m_timer = new QTimer(this);
    connect(m_timer, &QTimer::timeout, this, &StudyReader::poll);
    m_timer->start(kPollMs);
    poll();
}

void StudyReader::poll() {
    m_issues.clear();
    // Runs before results: where a run is seen to be over, what it stored last is seen, too. The other way round, a plan that is
    // made at a run's end would count its last cells as new.
    auto snapshot = readRuns();
    readResults();
    snapshot->weights = m_weights;
    snapshot->issues = m_issues;
    snapshot->measured = m_measured;
    Q_EMIT runsRead(std::move(snapshot));
    bool asked = false, askedItems = false;
    {
        const std::lock_guard lock(m_mutex);
        asked = std::exchange(m_shownDirty, false);
        askedItems = std::exchange(m_itemsDirty, false);
    }
    // Statistics of large probes take long: not more than a quarter of the time goes into them while results stream in.
    const bool due = m_fresh && (!m_sinceShown.isValid() || m_sinceShown.elapsed() >= 3 * m_showMs);
    if (!asked && !due) {
        if (askedItems)
            publishItems();
        return;
    }
    m_fresh = false;
    QElapsedTimer clock;
    clock.start();
    publishShown();
    publishItems();
    m_showMs = clock.elapsed();
    m_sinceShown.start();
}

void StudyReader::readResults() {
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
        m_rows.insert_or_assign(std::move(key), std::make_shared<const study::ResultRow>(std::move(row)));
    }
}

std::shared_ptr<RunsSnapshot> StudyReader::readRuns() {
    auto snapshot = std::make_shared<RunsSnapshot>();
    const bool first = m_followers.empty(); // a study that opens lists its runs before their plans are read
    for (const std::string& id : study::listRuns(m_folder)) {
        if (!first)
            readPlanOnce(id);
        auto follower = m_followers.find(id);
        if (follower == m_followers.end())
            follower = m_followers.emplace(id, study::RunFollower(m_folder, id)).first;
        auto status = follower->second.poll();
        if (!status) {
            m_issues.push_back({toQString(status.error().where), toQString(status.error().message)});
            continue;
        }
        listFailedCells(*status);
        snapshot->runs.push_back(std::move(*status));
    }
    if (const auto lives = study::anyRunnerLives(m_folder); !lives)
        m_issues.push_back({toQString(lives.error().where), toQString(lives.error().message)});
    snapshot->devicesAtWork = devicesAtWork(m_folder);
    snapshot->probes = m_probes;
    return snapshot;
}

/// Which cells, why, and what to do.
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
    const std::vector<Issue> failed = failedCellIssues(run, plan->second);
    m_issues.insert(m_issues.end(), failed.begin(), failed.end());
}

analysis::RowPointer StudyReader::rowOf(const std::string& key) const {
    const auto row = m_rows.find(key);
    return row == m_rows.end() ? analysis::RowPointer() : row->second;
}

/// The stored rows of a plan, without what only the items' page needs: figures hold copies.
analysis::ProbeResults StudyReader::resultsOf(const study::Plan& plan) const {
    analysis::ProbeResults results;
    results.plan = plan;
    for (const study::Cell& cell : plan.cells)
        for (const std::string& key : cell.keys)
            if (const analysis::RowPointer row = rowOf(key))
                results.rows.push_back(rowForFigures(*row));
    return results;
}

Result<analysis::Refinement> StudyReader::finerRates(const study::Plan& plan, int between) const {
    return analysis::refineRates(resultsOf(plan), between);
}

std::vector<std::string> StudyReader::textTasks(const study::Plan& plan) const {
    std::vector<std::string> names;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t)
        if (plan.tasks[t].kind == study::TaskKind::Suite &&
            std::any_of(plan.cells.begin(), plan.cells.end(), [&](const study::Cell& cell) {
                const analysis::RowPointer row = rowOf(cell.keys[t]);
                return row && !row->outcome.details.texts.empty();
            }))
            names.push_back(plan.tasks[t].name);
    return names;
}

/// Its probe is kept, and the plan where other runs may be drawn with it.
void StudyReader::readPlanOnce(const std::string& runId) {
    if (!m_seenRuns.insert(runId).second)
        return;
    auto plan = study::readPlan(m_folder, runId);
    if (!plan)
        return; // readRuns lists it as an issue
    m_probes.emplace(runId, plan->probe);
    if (plan->probe.strengths.empty())
        m_basePlans.emplace(runId, std::move(*plan));
    else if (analysis::isTraining(*plan))
        m_trainingPlans.emplace(runId, std::move(*plan));
}

std::shared_ptr<analysis::ProbeResults> StudyReader::shownResults() {
    std::string shown;
    SeriesFacts facts;
    std::vector<study::Overlay> overlays;
    {
        const std::lock_guard lock(m_mutex);
        shown = m_shown;
        facts = m_facts;
        overlays = m_overlays;
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
    auto results = std::make_shared<analysis::ProbeResults>(resultsOf(*m_plan));
    results->overlays = std::move(overlays);
    results->studyName = m_folder.study().name;
    results->studyCommand = exportCommand(m_folder, shown);
    for (const std::string& id : study::listRuns(m_folder))
        readPlanOnce(id);
    for (const study::Plan* other : comparableEvaluations(*m_plan, plansOf(m_basePlans)))
        results->others.push_back(resultsOf(*other));
    for (const study::Plan* other : siblingPlans(*m_plan, plansOf(m_trainingPlans))) {
        analysis::ProbeResults& added = results->siblings.emplace_back();
        if (analysis::areDrawnTogether(*m_plan, *other))
            added = resultsOf(*other);
        else
            added.plan = *other; // what is left out is said
        added.studyName = results->studyName;
        added.studyCommand = exportCommand(m_folder, added.plan.id);
    }
    addFacts(*results, facts);
    return results;
}

void StudyReader::publishShown() {
    auto results = shownResults();
    if (!results)
        return;
    auto view = std::make_shared<ProbeView>();
    view->version = ++m_version;
    {
        const std::lock_guard lock(m_mutex);
        view->metric = m_metric;
    }
    view->metrics = analysis::metricsOf(*results);
    view->figures = analysis::figuresOf(*results);
    view->textTasks = textTasks(*m_plan);
    view->suspects = suspectScores(*results);
    if (auto table = analysis::inflectionTable(*results, view->metric))
        view->inflections = std::move(*table);
    m_published = results;
    view->results = std::move(results);
    Q_EMIT probeRead(std::move(view));
}

/// Of the shown run, as it was last published.
void StudyReader::publishItems() {
    std::optional<analysis::ItemTableOptions> items, samples;
    {
        const std::lock_guard lock(m_mutex);
        items = m_wantedItems;
        samples = m_wantedSamples;
        if (m_planRun != m_shown)
            return; // publishShown comes first
    }
    if (!m_published)
        return;
    const study::Plan& plan = m_published->plan;
    const analysis::RowLookup lookup = [this](const std::string& key) { return rowOf(key); };
    if (items) {
        auto view = std::make_shared<ItemsView>();
        view->wanted = *items;
        auto table = analysis::makeItemTable(plan, lookup, *items);
        if (table)
            view->table = std::move(*table);
        else
            view->problem = toQString(table.error().message);
        Q_EMIT itemsRead(std::move(view));
    }
    if (samples) {
        auto view = std::make_shared<SamplesView>();
        view->wanted = *samples;
        auto table = analysis::makeSampleTable(plan, lookup, *samples);
        if (table)
            view->table = std::move(*table);
        else
            view->problem = toQString(table.error().message);
        Q_EMIT samplesRead(std::move(view));
    }
}

} // namespace crest::ui
