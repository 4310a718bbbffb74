// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/actions.h"

#include <QActionGroup>
#include <QWidget>

#include "ui/window/icons.h"

namespace crest::ui {
namespace {

struct ActionSpec {
    ActionId id;
    const char* text;
    const char* icon;
    const char* shortcut;
    const char* tip;
    bool checkable = false;
};

// In the order of ActionId.
const ActionSpec kActions[] = {
    {ActionId::OpenFolder, "&Open folder...", "folder", "Ctrl+O", "Open a folder of checkpoints or a study"},
    {ActionId::OpenSample, "Open the sample &study", "sample", "", "Open the small series that comes with Crest"},
    {ActionId::AddSeries, "&Add a series...", "folder-add", "", "Add another folder of checkpoints to this study"},
    {ActionId::SaveAs, "&Save study as...", "save", "Ctrl+S", "Give this study a place and a name"},
    {ActionId::Export, "&Export figure...", "export", "Ctrl+Shift+E", "Write the curves as PDF, SVG, PNG, CSV and TeX"},
    {ActionId::ImportOverlay, "&Import to overlay...", "overlay", "Ctrl+I",
     "Draw points of others over the curves: lm-evaluation-harness results, CSV, the papers"},
    {ActionId::CloseStudy, "&Close study", "", "Ctrl+W", "Close this study; its runs go on"},
    {ActionId::Quit, "&Quit", "", "Ctrl+Q", "Close the window; runs go on"},
    {ActionId::Filter, "&Find a checkpoint", "search", "Ctrl+F", "Filter the list of checkpoints"},
    {ActionId::Locate, "&Locate...", "folder", "", "Say where a series, or checkpoints of it, were moved to; their results stay"},
    {ActionId::Rescan, "&Rescan", "rescan", "F5", "Look at the checkpoint folders again"},
    {ActionId::Exclude, "&Exclude checkpoint", "state-excluded", "", "Leave this checkpoint out of new runs"},
    {ActionId::Include, "&Include checkpoint", "state-ok", "", "Take this checkpoint into new runs again"},
    {ActionId::Run, "&Run", "run", "Ctrl+R", "Measure the cells of this probe that are not stored yet"},
    {ActionId::Pause, "&Pause run", "pause", "", "Hold the run after the step at work"},
    {ActionId::Continue, "&Continue run", "continue", "", "Go on with what is missing"},
    {ActionId::RerunFailed, "Re-run &failed", "rescan", "", "Try the cells that failed again; the others are kept"},
    {ActionId::Stop, "&Stop after this cell", "stop", "Ctrl+.", "Stop when the cells at work are stored"},
    {ActionId::StopNow, "Stop &now", "stop-now", "Ctrl+Shift+.", "Stop at once; what is finished stays"},
    {ActionId::ShowLog, "Show &log", "log", "", "Show what the runner has said"},
    {ActionId::AddText, "Add a &text...", "add", "", "Add a text file to measure the loss on"},
    {ActionId::AddSuite, "Add tasks of a &suite...", "add", "", "Add multiple choice, perplexity and other tasks"},
    {ActionId::AddPrompts, "Add &prompts...", "add", "", "Add prompts that every checkpoint continues"},
    {ActionId::AddTuning, "Add fine-tuning &data...", "add", "", "Add data to fine-tune on; their held-out part is measured"},
    {ActionId::Undo, "&Undo", "undo", "Ctrl+Z", "Take back the last edit of the study"},
    {ActionId::Redo, "&Redo", "redo", "Ctrl+Shift+Z", "Do it again"},
    {ActionId::ShowCurves, "&Curves", "", "Ctrl+1", "Show the curves"},
    {ActionId::ShowInflection, "&Inflection", "", "Ctrl+2", "Show the table of inflection points"},
    {ActionId::ShowItems, "I&tems", "", "Ctrl+3", "Show every scored item by checkpoint"},
    {ActionId::ShowSamples, "&Samples", "", "Ctrl+4", "Show what every checkpoint writes after the same prompts"},
    {ActionId::ShowTheory, "&Theory lab", "theory", "Ctrl+5", "Overtraining in a two-layer linear network, computed and simulated; needs no study"},
    {ActionId::ShowTraining, "Trai&ning", "", "Ctrl+6", "Show loss, learning rate and gradient norm of trainings, while they run and afterwards"},
    {ActionId::LogX, "Log &x", "log-x", "G", "Token axis logarithmic or linear (G)", true},
    {ActionId::LogY, "Log &y", "log-y", "L", "Loss axis logarithmic or linear (L)", true},
    {ActionId::ShowValue, "&Value", "value", "V", "Show the loss itself", true},
    {ActionId::ShowChange, "C&hange", "change", "C", "Show the change from the base", true},
    {ActionId::ShowBoth, "&Both", "", "B", "Show value and change side by side", true},
    {ActionId::PreviousZoom, "&Previous zoom", "", "", "Take back the last zoom of every panel; R in one panel"},
    {ActionId::ResetZoom, "Reset &zoom", "reset", "Ctrl+0", "Show all data again"},
    {ActionId::FullScreen, "&Full screen", "", "F11", "Use the whole screen", true},
    {ActionId::CommandSearch, "Search &commands...", "search", "Ctrl+K", "Find any action by its name"},
    {ActionId::CheatSheet, "&Keys and mouse", "help", "F1", "Show all keys"},
    {ActionId::About, "&About Crest", "", "", "Version and licences"},
};
static_assert(std::size(kActions) == kActionCount);

bool isAtWork(const WindowState& state) {
    return state.run && (*state.run == study::RunState::Running || *state.run == study::RunState::Queued ||
                         *state.run == study::RunState::Paused || *state.run == study::RunState::Stopping);
}

} // namespace

bool isEnabled(ActionId id, const WindowState& state) {
    using study::RunState;
    switch (id) {
    case ActionId::AddSeries:
    case ActionId::AddText:
    case ActionId::AddSuite:
    case ActionId::AddPrompts:
    case ActionId::AddTuning:
    case ActionId::ImportOverlay:
        return state.writable;
    case ActionId::SaveAs:
        return state.writable && !isAtWork(state);
    case ActionId::CloseStudy:
        return state.open || state.theory;
    case ActionId::Filter:
    case ActionId::Rescan:
    case ActionId::ShowCurves:
    case ActionId::ShowInflection:
    case ActionId::ShowItems:
    case ActionId::ShowSamples:
    case ActionId::ShowTraining:
        return state.open;
    case ActionId::Exclude:
        return state.writable && state.checkpointSelected && !state.checkpointExcluded;
    case ActionId::Include:
        return state.writable && state.checkpointSelected && state.checkpointExcluded;
    case ActionId::Locate:
        return state.writable && state.seriesSelected;
    case ActionId::RerunFailed:
        return state.writable && state.failedCells && !isAtWork(state);
    case ActionId::Run:
        return state.writable && state.planReady;
    case ActionId::Pause:
        return state.writable && (state.run == RunState::Running || state.run == RunState::Queued);
    case ActionId::Continue:
        return state.writable && (state.run == RunState::Paused || state.run == RunState::Stopped ||
                                  state.run == RunState::Stopping || state.run == RunState::Interrupted ||
                                  (state.run == RunState::Queued && state.unattended));
    case ActionId::Stop:
        return state.writable && isAtWork(state) && state.run != RunState::Stopping;
    case ActionId::StopNow:
        return state.writable && isAtWork(state);
    case ActionId::ShowLog:
        return state.run.has_value();
    case ActionId::Undo:
        return state.canUndo;
    case ActionId::Redo:
        return state.canRedo;
    case ActionId::Export:
        return state.training ? state.trainingFigure : state.figure || state.theory;
    case ActionId::LogX:
    case ActionId::LogY:
    case ActionId::ShowValue:
    case ActionId::ShowChange:
    case ActionId::ShowBoth:
    case ActionId::PreviousZoom:
    case ActionId::ResetZoom:
        return state.figure && !state.theory && !state.training; // their panels take the keys themselves
    default:
        return true;
    }
}

Actions::Actions(QWidget* window)
    : QObject(window) {
    for (const ActionSpec& spec : kActions) {
        auto* action = new QAction(tr(spec.text), this);
        action->setObjectName(QString::fromLatin1(spec.text).remove(u'&').remove(QStringLiteral("...")));
        action->setShortcut(QKeySequence(QString::fromLatin1(spec.shortcut)));
        action->setStatusTip(tr(spec.tip));
        const QString keys = action->shortcut().toString(QKeySequence::NativeText);
        action->setToolTip(keys.isEmpty() ? tr(spec.tip)
                                          : QStringLiteral("%1 (%2)").arg(
                                                tr(spec.tip).remove(QStringLiteral(" (%1)").arg(keys)), keys));
        action->setCheckable(spec.checkable);
        if (*spec.icon)
            action->setIcon(icon(QString::fromLatin1(spec.icon)));
        m_actions[static_cast<std::size_t>(spec.id)] = action;
        window->addAction(action);
    }
    auto* shown = new QActionGroup(this);
    for (const ActionId id : {ActionId::ShowValue, ActionId::ShowChange, ActionId::ShowBoth})
        shown->addAction(at(id));
    at(ActionId::ShowValue)->setChecked(true);
    at(ActionId::Quit)->setMenuRole(QAction::QuitRole);
}

void Actions::update(const WindowState& state) {
    for (std::size_t i = 0; i < kActionCount; ++i)
        m_actions[i]->setEnabled(isEnabled(static_cast<ActionId>(i), state));
}

} // namespace crest::ui
