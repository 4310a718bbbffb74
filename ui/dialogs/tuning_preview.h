// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of fine-tuning data that a study has, as the model sees them.
#pragma once

#include <filesystem>

#include <QDialog>

#include "core/study/types.h"

namespace crest::ui {

class TuningPreview : public QDialog {
    Q_OBJECT
public:
    TuningPreview(const study::Task& task, const std::filesystem::path& studyFolder,
                  const std::filesystem::path& checkpoint, QWidget* parent);
};

} // namespace crest::ui
