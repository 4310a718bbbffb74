// SPDX-License-Identifier: GPL-3.0-or-later
// Edits of a study as undo commands: each holds what it changes before and after, which is small.
#pragma once

#include <functional>
#include <utility>

#include <QString>
#include <QUndoCommand>

#include "core/study/types.h"
#include "ui/data/moved_checkpoints.h"

namespace crest::ui {

/// Something of the study before and after an edit; `apply` takes either.
template<class Value> class ChangeCommand : public QUndoCommand {
public:
    using Apply = std::function<void(const Value&)>;
    ChangeCommand(const QString& text, Value before, Value after, Apply apply)
        : QUndoCommand(text)
        , m_before(std::move(before))
        , m_after(std::move(after))
        , m_apply(std::move(apply)) {}
    void undo() override { m_apply(m_before); }
    void redo() override { m_apply(m_after); }

private:
    Value m_before, m_after;
    Apply m_apply;
};

using EditStudyCommand = ChangeCommand<study::Study>;
/// Where single checkpoints are (moved.json).
using MoveCheckpointsCommand = ChangeCommand<MovedCheckpoints>;

} // namespace crest::ui
