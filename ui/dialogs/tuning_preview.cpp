// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/tuning_preview.h"

#include <QDialogButtonBox>
#include <QLabel>
#include <QVBoxLayout>

#include "core/data/tuning_settings.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/dialogs/tuning_rows.h"
#include "ui/window/theme.h"

namespace crest::ui {

TuningPreview::TuningPreview(const study::Task& task, const std::filesystem::path& studyFolder,
                             const std::filesystem::path& checkpoint, QWidget* parent)
    : QDialog(parent) {
    setWindowTitle(tr("First rows of %1").arg(toQString(task.name)));
    setAttribute(Qt::WA_DeleteOnClose);
    resize(88 * kRhythm, 64 * kRhythm);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    const auto json = parseJson(task.definition, task.name);
    auto settings = json ? data::tuningDataFromJson(*json, task.name)
                         : Result<data::TuningDataSettings>(fail(json.error()));
    if (settings) {
        settings->path = (studyFolder / task.textsPath).string();
        auto* rows = new TuningRows;
        rows->read(*settings, std::filesystem::path(resourcesFolder().toStdString()) / "tuning", checkpoint);
        column->addWidget(rows, 1);
    } else {
        column->addWidget(new QLabel(toQString(settings.error().text())), 1);
    }
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    column->addWidget(buttons);
}

} // namespace crest::ui
