// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/prompts_task.h"

#include <QFileInfo>

#include "core/base/json.h"

namespace crest::ui {

study::Task promptsTask(const QString& name, const QString& file, std::int64_t newTokens, std::int64_t limit) {
    const QFileInfo info(file);
    study::Task task;
    task.name = name.toStdString();
    task.kind = study::TaskKind::Suite;
    task.textsPath = info.absoluteFilePath().toStdString(); // alone: what lies beside it is none of its data
    // In a suite's file names * ? and ! have a meaning: each stands for any character here.
    std::string pattern = info.fileName().toStdString();
    for (char& c : pattern)
        if (c == '*' || c == '!')
            c = '?';
    task.definition = canonicalJson({{"name", task.name},
                                     {"kind", "generation"},
                                     {"data", {{"test", Json::array({pattern})}}},
                                     {"context", "{{text}}"},
                                     {"generation", {{"max_new_tokens", newTokens}}},
                                     {"metrics", Json::array({"tokens"})}});
    task.limit = limit;
    return task;
}

} // namespace crest::ui
