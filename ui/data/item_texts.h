// SPDX-License-Identifier: GPL-3.0-or-later
// The questions behind stored items, made again from the task's definition and its data: results hold numbers only.
#pragma once

#include <filesystem>
#include <vector>

#include <QString>
#include <QStringList>

#include "core/base/job_context.h"
#include "core/data/task_items.h"
#include "core/study/types.h"

namespace crest::ui {

struct ItemTexts {
    std::vector<data::TaskItem> items;
    std::vector<QString> shortTexts; ///< by item: the end of what is asked, without the shots before it
    QString problem; ///< why there are none, or that the data are not those that were measured

    /// The item in this place, where it is of this row of the data; null where it is another (the data have changed).
    const data::TaskItem* item(std::size_t place, std::int64_t document) const;
    /// What a row of a table says of an item.
    QString shortText(std::size_t place, std::int64_t document) const;
};

/// `task` as the plan has it (folder absolute or below `studyFolder`). Takes as long as reading the data: not for the
/// thread that draws. Of a task that is none of a suite nothing but a problem.
ItemTexts readItemTexts(const study::Task& task, const std::filesystem::path& studyFolder, const JobContext& job);

/// The last question of a context: what follows the last blank line.
QString lastQuestion(const QString& context);

} // namespace crest::ui
