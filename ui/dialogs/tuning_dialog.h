// SPDX-License-Identifier: GPL-3.0-or-later
// Adds fine-tuning data to a study, or shows data that are there: how rows are written, what of them is learned and what
// is held out, with the rows as the model sees them below.
#pragma once

#include <filesystem>
#include <vector>

#include <QDialog>
#include <QTimer>

#include "core/data/tuning_settings.h"
#include "core/study/types.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class TuningRows;

class TuningDialog : public QDialog {
    Q_OBJECT
public:
    /// `checkpoint`: whose tokenizer shows the rows; `context`: its longest example, 0 unknown.
    TuningDialog(const QString& path, std::vector<study::Task> existing, const std::filesystem::path& checkpoint,
                 std::int64_t context, QWidget* parent);
    /// The data as they were given, once the rows were read.
    study::Task task() const;

private:
    void setupFields(std::int64_t context);
    void setupLayout();
    void fillForms();
    void readRows();
    bool nameIsTaken() const;
    void validate();
    data::TuningDataSettings settings() const;

    QString m_path;
    std::vector<study::Task> m_existing;
    std::filesystem::path m_checkpoint, m_templates;
    data::TuningDataSettings m_resolved;
    QString m_dataProblem;
    bool m_read = false;
    QTimer m_wait; ///< until the last field was changed
    QLineEdit* m_name;
    QComboBox *m_form, *m_chat, *m_tooLong;
    QCheckBox* m_learnAll;
    QSpinBox *m_maxTokens, *m_heldOutRows, *m_trainRows, *m_splitSeed;
    QDoubleSpinBox* m_heldOut;
    TuningRows* m_rows;
    QLabel* m_problem;
    QPushButton* m_add = nullptr;
};

} // namespace crest::ui
