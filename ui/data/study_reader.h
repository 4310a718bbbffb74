// SPDX-License-Identifier: GPL-3.0-or-later
// Follows a study folder on a thread of its own: results (journals and HDF5: all HDF5 of the window happens here),
// runs, statistics. Polls twice a second and publishes finished, immutable snapshots by queued signals.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include "core/study/results.h"
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
    std::vector<Issue> issues;
    std::map<QString, int> measured; ///< "series/checkpoint" -> stored results
    double tokensPerSecond = 0;      ///< as last measured in this study
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
    /// What figures say of the checkpoints' size; any thread.
    void setModelFacts(std::int64_t parameters, double trainingFlopsPerToken);

public Q_SLOTS:
    void start(); ///< on the reading thread
    void poll();

Q_SIGNALS:
    void runsRead(std::shared_ptr<const crest::ui::RunsSnapshot> snapshot);
    void probeRead(std::shared_ptr<const crest::ui::ProbeView> view);

private:
    void readResults();
    void readRuns();
    void listFailedCells(const study::RunStatus& run);
    void publishShown();
    std::shared_ptr<analysis::ProbeResults> shownResults();

    study::StudyFolder m_folder;
    std::shared_ptr<StoredKeys> m_stored;
    study::ResultReader m_results;
    std::unordered_map<std::string, study::ResultRow> m_rows; ///< by key
    std::map<std::string, study::RunFollower> m_followers;
    std::map<QString, int> m_measured;
    std::map<std::string, std::string> m_weights;
    std::map<std::string, study::Plan> m_failedPlans; ///< of runs with failed cells, by id
    std::vector<Issue> m_issues;
    double m_rate = 0;
    QTimer* m_timer = nullptr;
    bool m_fresh = false; ///< rows came that are not shown yet
    QElapsedTimer m_sinceShown;
    qint64 m_showMs = 0; ///< what the last statistics took: the next wait so long in proportion

    std::mutex m_mutex; ///< guards the next four
    std::string m_shown;
    std::int64_t m_parameters = 0;
    double m_flopsPerToken = 0;
    bool m_shownDirty = false;

    std::string m_planRun; ///< the run that m_plan belongs to
    std::optional<study::Plan> m_plan;
    quint64 m_version = 0;
};

} // namespace crest::ui

Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::RunsSnapshot>)
Q_DECLARE_METATYPE(std::shared_ptr<const crest::ui::ProbeView>)
