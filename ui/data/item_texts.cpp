// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/item_texts.h"

#include <QObject>

#include "core/base/json.h"
#include "core/data/suite.h"
#include "ui/data/format.h"

namespace crest::ui {

const data::TaskItem* ItemTexts::item(std::size_t place, std::int64_t document) const {
    return place < items.size() && items[place].document == document ? &items[place] : nullptr;
}

QString lastQuestion(const QString& context) {
    const qsizetype blank = context.trimmed().lastIndexOf(QStringLiteral("\n\n"));
    return (blank < 0 ? context : context.mid(blank)).trimmed();
}

QString ItemTexts::shortText(std::size_t place, std::int64_t document) const {
    return item(place, document) ? shortTexts[place] : QString();
}

namespace {

QString shortTextOf(const data::TaskItem& item) {
    constexpr qsizetype kMost = 2000;
    if (item.requests.empty())
        return {};
    const data::ItemRequest& request = item.requests.front();
    return lastQuestion(toQString(request.context.empty() ? request.continuation : request.context)).left(kMost);
}

} // namespace

ItemTexts readItemTexts(const study::Task& task, const std::filesystem::path& studyFolder, const JobContext& job) {
    ItemTexts texts;
    if (task.kind != study::TaskKind::Suite) {
        texts.problem = QObject::tr("This task has no items.");
        return texts;
    }
    const std::string where = "task " + task.name;
    const auto json = parseJson(task.definition, where);
    auto definition = json ? data::parseTask(*json, where) : Result<data::TaskDefinition>(fail(json.error()));
    if (!definition) {
        texts.problem = toQString(definition.error().text());
        return texts;
    }
    data::ItemOptions options;
    options.shots = static_cast<int>(task.shots);
    options.limit = task.limit;
    options.withoutChat = true; // the texts of the task; what stands around them is the tokenizer's
    auto made = data::makeItems(*definition, studyFolder / task.textsPath, options, job);
    if (!made) {
        texts.problem = toQString(made.error().text());
        return texts;
    }
    if (!task.dataHash.empty() && made->dataHash != task.dataHash)
        texts.problem = QObject::tr("The data have changed since they were measured: these texts may not be those of the "
                                    "numbers.");
    texts.items = std::move(made->items);
    for (const data::TaskItem& item : texts.items)
        texts.shortTexts.push_back(shortTextOf(item));
    return texts;
}

} // namespace crest::ui
