// SPDX-License-Identifier: GPL-3.0-or-later
// Every action of the window, made from one table; what is enabled is decided in one function.
#pragma once

#include <array>
#include <optional>

#include <QAction>
#include <QObject>

#include "core/study/runs.h"

namespace crest::ui {

enum class ActionId {
    OpenFolder,
    OpenSample,
    AddSeries,
    SaveAs,
    Export,
    ImportOverlay,
    CloseStudy,
    Quit,
    Filter,
    Locate,
    Rescan,
    Exclude,
    Include,
    Run,
    Pause,
    Continue,
    RerunFailed,
    Stop,
    StopNow,
    ShowLog,
    AddText,
    AddSuite,
    AddPrompts,
    AddTuning,
    Undo,
    Redo,
    ShowCurves,
    ShowInflection,
    ShowItems,
    ShowSamples,
    ShowTheory,
    ShowTraining,
    LogX,
    LogY,
    ShowValue,
    ShowChange,
    ShowBoth,
    PreviousZoom,
    ResetZoom,
    FullScreen,
    CommandSearch,
    CheatSheet,
    About,
    Count
};
inline constexpr std::size_t kActionCount = static_cast<std::size_t>(ActionId::Count);

/// All that decides whether an action makes sense now.
struct WindowState {
    bool open = false, writable = false;
    bool planReady = false;             ///< the probe can run and has new cells
    std::optional<study::RunState> run; ///< of the run that is shown
    bool unattended = false;            ///< nobody works on it, though it is neither paused nor stopped
    bool failedCells = false;           ///< it has some
    bool figure = false;                ///< there are curves to look at
    bool theory = false;                ///< the theory lab is shown, with or without a study
    bool training = false;              ///< the training curves are shown
    bool trainingFigure = false;        ///< and there are some
    bool seriesSelected = false;        ///< a series, or one of its checkpoints
    bool checkpointSelected = false, checkpointExcluded = false;
    bool canUndo = false, canRedo = false;
    bool operator==(const WindowState&) const = default;
};
bool isEnabled(ActionId id, const WindowState& state);

class Actions : public QObject {
    Q_OBJECT
public:
    explicit Actions(QWidget* window);
    QAction* at(ActionId id) const { return m_actions[static_cast<std::size_t>(id)]; }
    void update(const WindowState& state);

private:
    std::array<QAction*, kActionCount> m_actions{};
};

} // namespace crest::ui
