// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the figure as it is seen, in all chosen formats: one file after the other is drawn here, in a turn of the event
// loop, and encoded and written on another thread before the next is drawn.
#pragma once

#include <vector>

#include <QDialog>
#include <QTimer>

#include "core/analysis/figure.h"
#include "ui/charts/figure_export.h"
#include "ui/data/background.h"
#include "ui/window/window_settings.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QProgressBar;
class QPushButton;
class QSpinBox;

namespace crest::ui {

class ExportDialog : public QDialog {
    Q_OBJECT
public:
    /// `name`: file name without ending that is proposed; `folder`: where nothing was chosen before.
    ExportDialog(const analysis::Figure& figure, const QString& name, const QString& folder, QWidget* parent);
    /// Files that are there stay, none is begun. A picture that is being encoded is given up.
    void reject() override;

Q_SIGNALS:
    /// All files are there. The dialog closes.
    void exported(const QStringList& files);

private:
    struct Output {
        QString path;
        QByteArray bytes;
        QImage picture; ///< of a PNG, instead: encoded before it is written
    };
    struct Job {
        analysis::Figure figure;
        ExportOptions options;
        QString path;
    };
    void setupFields(const QString& name, const QString& folder);
    void setupLayout();
    QFormLayout* sizeForm();
    void connectFields();
    void applyPreset();
    void validate();
    ExportSettings settings() const;
    ExportOptions options(FigureFormat format) const;
    void start();
    static Result<Output> draw(const Job& job);
    /// Any thread. Errors: Stopped, with nothing written; else as pngBytes and writeFigureFile.
    static Result<void> write(Output output, const JobContext& context);
    void drawNext();
    void finish(const QString& problem);
    void endExport();
    void showPreview();

    analysis::Figure m_figure;
    QString m_defaultFolder;
    std::vector<Job> m_jobs; ///< still to draw, last first
    QStringList m_written;
    bool m_exporting = false;
    QTimer m_nextTurn; ///< draws the next
    Background m_writing, m_remembering;

    QLineEdit *m_folder, *m_name;
    std::vector<QCheckBox*> m_formats; ///< in the order of FigureFormat
    QCheckBox* m_eachPanel;
    QComboBox* m_preset;
    QDoubleSpinBox *m_width, *m_height, *m_font;
    QSpinBox* m_dpi;
    QLabel *m_preview, *m_problem;
    QProgressBar* m_progress;
    QPushButton* m_export = nullptr;
    QTimer m_previewTimer;
};

} // namespace crest::ui
