// SPDX-License-Identifier: GPL-3.0-or-later
// Follows a study folder on a thread of its own: results (journals and HDF5: all HDF5 of the window happens here),
// runs, statistics. Polls twice a second and publishes finished, immutable snapshots by queued signals.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include "core/analysis/item_table.h"
#include "core/analysis/sample_table.h"
#include "core/study/results.h"
#include "ui/data/probe_loading.h"
#include "ui/data/study_session.h"

namespace crest::ui {

/// The keys that are stored, shared between the reading thread and planning jobs.
class StoredKeys {
public:
    bool has(const std::string& key) const {
        const std::lock_guard lock(m_mutex);
        return m_keys.contains(key);
    }
    template<class Rows> void add(const Rows& rows) {
        const std::lock_guard lock(m_mutex);
        for (const auto& row : rows)
            m_keys.insert(row.key);
    }

private:
    mutable std::mutex m_mutex;
    std::unordered_set<std::string> m_keys;
};

struct RunsSnapshot {
    std::vector<study::RunStatus> runs;
    std::map<std::string, study::Probe> probes; ///< of them, by id, as far as their plans are read
    std::vector<Issue> issues;
    std::map<QString, int> measured; ///< "series/checkpoint" -> stored results
    /// Fingerprint of the weights that were measured, by "series/checkpoint".
    std::map<std::string, std::string> weights;
    std::vector<QString> devicesAtWork; ///< of the runners that hold their lock
};

class StudyReader : public QObject {
    Q_OBJECT
public:
    StudyReader(study::StudyFolder folder, std::shared_ptr<StoredKeys> stored);
    ~StudyReader() override;

    /// Which run to show; any thread.
    void setShownRun(const std::string& runId);
    /// Which metric of the tasks of suites is looked at, "" for the first of each; any thread.
    void setMetric(const std::string& metric);
    /// Points of others for the figures; any thread.
    void setOverlays(std::vector<study::Overlay> overlays);
    /// Which items or samples of the shown run are looked at; nothing: none. Any thread.
    void setWantedItems(std::optional<analysis::ItemTableOptions> wanted);
    void setWantedSamples(std::optional<analysis::ItemTableOptions> wanted);
    /// What the study says of its checkpoints now; any thread.
    void setSeriesFacts(SeriesFacts facts);

    /// Of what is stored of a plan; on the reading thread.
    Result<analysis::Refinement> finerRates(const study::Plan& plan, int between) const;

public Q_SLOTS:
    void start(); ///< on the reading thread
    void poll();

Q_SIGNALS:
    void runsRead(std::shared_ptr<const crest::ui::RunsSnapshot> snapshot);
    void probeRead(std::shared_ptr<const crest::ui::ProbeView> view);
    void itemsRead(std::shared_ptr<const crest::ui::ItemsView> view);
    void samplesRead(std::shared_ptr<const crest::ui::SamplesView> view);

private:
    std::shared_ptr<RunsSnapshot> readRuns();
    void readResults();
    void listFailedCells(const study::RunStatus& run);
    void publishShown();
    void publishItems();
    std::shared_ptr<analysis::ProbeResults> shownResults();
    analysis::ProbeResults resultsOf(const study::Plan& plan) const;
    void readPlanOnce(const std::string& runId);
    std::vector<std::string> textTasks(const study::Plan& plan) const;
    analysis::RowPointer rowOf(const std::string& key) const;

    study::StudyFolder m_folder;
    std::shared_ptr<StoredKeys> m_stored;
    study::ResultReader m_results;
    std::unordered_map<std::string, analysis::RowPointer> m_rows; ///< by key
    std::map<std::string, study::RunFollower> m_followers;
    std::map<QString, int> m_measured;
    std::map<std::string, std::string> m_weights;
    std::map<std::string, study::Plan> m_failedPlans; ///< of runs with failed cells, by id
    /// Of base evaluations and of what trains, by run, so oldest first; cells and batches as planned.
    std::map<std::string, study::Plan> m_basePlans, m_trainingPlans;
    std::map<std::string, study::Probe> m_probes; ///< by run
    std::set<std::string> m_seenRuns;             ///< whose plan was looked at for these
    std::vector<Issue> m_issues;
    QTimer* m_timer = nullptr;
    bool m_fresh = false; ///< rows came that are not shown yet
    QElapsedTimer m_sinceShown;
    qint64 m_showMs = 0; ///< what the last statistics took: the next wait so long in proportion

    std::mutex m_mutex; ///< guards all up to m_shownDirty
    std::string m_shown, m_metric;
    std::vector<study::Overlay> m_overlays;
    std::optional<analysis::ItemTableOptions> m_wantedItems, m_wantedSamples;
    bool m_itemsDirty = false;
    SeriesFacts m_facts;
    bool m_shownDirty = false;

    std::string m_planRun; ///< the run that m_plan belongs to
    std::optional<study::Plan> m_plan; ///< as it was planned
    std::shared_ptr<const analysis::ProbeResults> m_published; ///< of m_plan, with what the study says now
    quint64 m_version = 0;
};

} // namespace crest::ui

Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::RunsSnapshot>)
Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::ProbeView>)
Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::ItemsView>)
Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::SamplesView>)
