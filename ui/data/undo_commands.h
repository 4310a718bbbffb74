// SPDX-License-Identifier: GPL-3.0-or-later
// Edits of a study as undo commands: each holds the study before and after, which are small.
#pragma once

#include <functional>
#include <utility>

#include <QString>
#include <QUndoCommand>

#include "core/study/types.h"
#include "ui/data/moved_checkpoints.h"

namespace crest::ui {

class EditStudyCommand : public QUndoCommand {
public:
    using Apply = std::function<void(const study::Study&)>;
    EditStudyCommand(const QString& text, study::Study before, study::Study after, Apply apply)
        : QUndoCommand(text)
        , m_before(std::move(before))
        , m_after(std::move(after))
        , m_apply(std::move(apply)) {}
    void undo() override { m_apply(m_before); }
    void redo() override { m_apply(m_after); }

private:
    study::Study m_before, m_after;
    Apply m_apply;
};

/// Where single checkpoints are (moved.json), before and after.
class MoveCheckpointsCommand : public QUndoCommand {
public:
    using Apply = std::function<void(const MovedCheckpoints&)>;
    MoveCheckpointsCommand(const QString& text, MovedCheckpoints before, MovedCheckpoints after, Apply apply)
        : QUndoCommand(text)
        , m_before(std::move(before))
        , m_after(std::move(after))
        , m_apply(std::move(apply)) {}
    void undo() override { m_apply(m_before); }
    void redo() override { m_apply(m_after); }

private:
    MovedCheckpoints m_before, m_after;
    Apply m_apply;
};

} // namespace crest::ui
