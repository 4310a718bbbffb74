// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/export_dialog.h"

#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/window/icons.h"
#include "ui/window/number_box.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr FigureFormat kFormats[] = {FigureFormat::Pdf, FigureFormat::Svg, FigureFormat::Png, FigureFormat::Csv,
                                     FigureFormat::Tex};
constexpr int kPreviewDelayMs = 250;
const QSize kPreviewSize(48 * kRhythm, 40 * kRhythm);

struct Preset {
    const char* text;
    double widthMm, fontPt; ///< 0: as set
};
constexpr Preset kPresets[] = {
    {"One column, 84 mm", 84, 8}, {"Two columns, 174 mm", 174, 8}, {"Slide, 280 mm", 280, 14}, {"Custom", 0, 0}};

QDoubleSpinBox* length(double low, double high, double step, const QString& suffix, const QString& name) {
    auto* box = new DecimalBox;
    box->setRange(low, high);
    box->setSingleStep(step);
    box->setDecimals(1);
    box->setSuffix(suffix);
    box->setAlignment(Qt::AlignRight);
    box->setAccessibleName(name);
    return box;
}

} // namespace

ExportDialog::ExportDialog(const analysis::Figure& figure, const QString& name, const QString& folder, QWidget* parent)
    : QDialog(parent)
    , m_figure(figure)
    , m_defaultFolder(folder)
    , m_writing(this)
    , m_remembering(this)
    , m_folder(new QLineEdit)
    , m_name(new QLineEdit)
    , m_eachPanel(new QCheckBox(tr("Also one file for each panel")))
    , m_preset(new QComboBox)
    , m_preview(new QLabel)
    , m_problem(new QLabel)
    , m_progress(new QProgressBar) {
    setWindowTitle(tr("Export figure"));
    setupFields(name, folder);
    setupLayout();
    connectFields();
    validate();
    m_previewTimer.start();
}

void ExportDialog::setupFields(const QString& name, const QString& folder) {
    const ExportSettings saved = window_settings::exportSettings();
    m_folder->setText(saved.folder.isEmpty() ? folder : saved.folder);
    m_folder->setAccessibleName(tr("Folder"));
    m_name->setText(name);
    m_name->setAccessibleName(tr("File name without ending"));
    for (const FigureFormat format : kFormats) {
        auto* box = new QCheckBox(formatSuffix(format).toUpper());
        box->setChecked(saved.formats.contains(formatSuffix(format)));
        m_formats.push_back(box);
    }
    for (const Preset& preset : kPresets)
        m_preset->addItem(tr(preset.text));
    m_preset->setAccessibleName(tr("Size"));
    m_width = length(20, 2000, 1, tr(" mm"), tr("Width"));
    m_height = length(15, 1000, 1, tr(" mm"), tr("Panel height"));
    m_font = length(3, 72, 0.5, tr(" pt"), tr("Font size"));
    m_dpi = new WholeBox;
    m_dpi->setRange(72, 1200);
    m_dpi->setSuffix(tr(" dpi"));
    m_dpi->setAlignment(Qt::AlignRight);
    m_dpi->setAccessibleName(tr("Resolution of the PNG"));
    m_width->setValue(saved.widthMm);
    m_height->setValue(saved.panelHeightMm);
    m_font->setValue(saved.fontPt);
    m_dpi->setValue(saved.dpi);
    const auto preset = std::find_if(std::begin(kPresets), std::end(kPresets), [&](const Preset& one) {
        return one.widthMm == saved.widthMm && one.fontPt == saved.fontPt;
    });
    m_preset->setCurrentIndex(
        static_cast<int>(std::min<std::ptrdiff_t>(preset - std::begin(kPresets), std::ssize(kPresets) - 1)));
    m_previewTimer.setSingleShot(true);
    m_previewTimer.setInterval(kPreviewDelayMs);
    m_nextTurn.setSingleShot(true);
    m_nextTurn.setInterval(0);
}

QFormLayout* ExportDialog::sizeForm() {
    auto* browse = new QToolButton;
    browse->setIcon(icon(QStringLiteral("folder")));
    browse->setToolTip(tr("Choose a folder"));
    browse->setAccessibleName(browse->toolTip());
    connect(browse, &QToolButton::clicked, this, [this] {
        const QString chosen = QFileDialog::getExistingDirectory(this, tr("Folder for the figure"), m_folder->text());
        if (!chosen.isEmpty())
            m_folder->setText(chosen);
    });
    auto* folder = new QHBoxLayout;
    folder->addWidget(m_folder, 1);
    folder->addWidget(browse);
    auto* formats = new QHBoxLayout;
    formats->setSpacing(kRhythm);
    for (QCheckBox* box : m_formats)
        formats->addWidget(box);
    formats->addStretch(1);
    auto* form = new QFormLayout;
    form->setHorizontalSpacing(2 * kRhythm);
    form->setVerticalSpacing(kRhythm);
    auto* folderLabel = new QLabel(tr("&Folder"));
    folderLabel->setBuddy(m_folder);
    form->addRow(folderLabel, folder);
    form->addRow(tr("&Name"), m_name);
    form->addRow(tr("Formats"), formats);
    form->addRow(QString(), m_eachPanel);
    form->addRow(tr("&Size"), m_preset);
    form->addRow(tr("&Width"), m_width);
    form->addRow(tr("Panel &height"), m_height);
    form->addRow(tr("F&ont"), m_font);
    form->addRow(tr("PNG &resolution"), m_dpi);
    return form;
}

void ExportDialog::setupLayout() {
    m_preview->setAlignment(Qt::AlignCenter);
    m_preview->setMinimumSize(kPreviewSize);
    m_preview->setAccessibleName(tr("Preview"));
    m_preview->setFrameShape(QFrame::StyledPanel);
    m_preview->setBackgroundRole(QPalette::Dark);
    m_problem->setWordWrap(true);
    m_problem->hide();
    m_progress->hide();
    auto* buttons = new QDialogButtonBox;
    m_export = buttons->addButton(tr("Export"), QDialogButtonBox::AcceptRole);
    buttons->addButton(tr("Cancel"), QDialogButtonBox::RejectRole)->setAutoDefault(false);
    m_export->setDefault(true);
    connect(buttons, &QDialogButtonBox::accepted, this, &ExportDialog::start);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* left = new QVBoxLayout;
    left->addLayout(sizeForm());
    left->addStretch(1);
    left->addWidget(m_problem);
    left->addWidget(m_progress);
    auto* row = new QHBoxLayout;
    row->setSpacing(2 * kRhythm);
    row->addLayout(left, 1);
    row->addWidget(m_preview);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(2 * kRhythm, 2 * kRhythm, 2 * kRhythm, 2 * kRhythm);
    column->setSpacing(2 * kRhythm);
    column->addLayout(row);
    column->addWidget(buttons);
}

void ExportDialog::connectFields() {
    connect(m_preset, &QComboBox::activated, this, &ExportDialog::applyPreset);
    for (QDoubleSpinBox* box : {m_width, m_height, m_font})
        connect(box, &QDoubleSpinBox::valueChanged, this, [this] { m_previewTimer.start(); });
    for (QDoubleSpinBox* box : {m_width, m_font})
        connect(box, &QDoubleSpinBox::valueChanged, this, [this] {
            const Preset& chosen = kPresets[m_preset->currentIndex()];
            if (chosen.widthMm != m_width->value() || chosen.fontPt != m_font->value())
                m_preset->setCurrentIndex(static_cast<int>(std::size(kPresets)) - 1);
        });
    for (QCheckBox* box : m_formats)
        connect(box, &QCheckBox::toggled, this, &ExportDialog::validate);
    connect(m_folder, &QLineEdit::textChanged, this, &ExportDialog::validate);
    connect(m_name, &QLineEdit::textChanged, this, &ExportDialog::validate);
    whenTyped(this, [this] { validate(); });
    connect(&m_previewTimer, &QTimer::timeout, this, &ExportDialog::showPreview);
    connect(&m_nextTurn, &QTimer::timeout, this, &ExportDialog::drawNext);
}

void ExportDialog::applyPreset() {
    const int index = m_preset->currentIndex();
    const Preset& chosen = kPresets[index];
    if (chosen.widthMm <= 0)
        return;
    m_width->setValue(chosen.widthMm);
    m_font->setValue(chosen.fontPt);
    m_preset->setCurrentIndex(index);
}

void ExportDialog::validate() {
    const bool any =
        std::any_of(m_formats.begin(), m_formats.end(), [](const QCheckBox* box) { return box->isChecked(); });
    QString problem;
    if (!any)
        problem = tr("Choose a format.");
    else if (m_name->text().trimmed().isEmpty() || m_name->text().contains(u'/'))
        problem = tr("The file needs a name without a slash.");
    else if (m_folder->text().trimmed().isEmpty())
        problem = tr("Choose a folder.");
    if (const QString typed = typedProblem(this); !typed.isEmpty())
        problem = typed;
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
    m_export->setEnabled(problem.isEmpty() && !m_exporting);
}

ExportSettings ExportDialog::settings() const {
    ExportSettings out;
    out.folder = m_folder->text() == m_defaultFolder ? QString() : m_folder->text();
    out.formats.clear();
    for (std::size_t i = 0; i < m_formats.size(); ++i)
        if (m_formats[i]->isChecked())
            out.formats << formatSuffix(kFormats[i]);
    out.widthMm = m_width->value();
    out.panelHeightMm = m_height->value();
    out.fontPt = m_font->value();
    out.dpi = m_dpi->value();
    return out;
}

ExportOptions ExportDialog::options(FigureFormat format) const {
    ExportOptions out;
    out.widthMm = m_width->value();
    out.panelHeightMm = m_height->value();
    out.fontPt = m_font->value();
    out.dpi = m_dpi->value();
    out.format = format;
    return out;
}

void ExportDialog::start() {
    m_remembering.start(
        [saved = settings()](const JobContext&) {
            window_settings::saveExportSettings(saved); // waits for the disk
            return true;
        },
        [](bool) {});
    m_jobs.clear();
    m_written.clear();
    std::vector<analysis::Figure> figures{m_figure};
    if (m_eachPanel->isChecked())
        for (analysis::Figure& one : singlePanels(m_figure))
            figures.push_back(std::move(one));
    const QString base = QDir(m_folder->text()).filePath(m_name->text().trimmed());
    for (std::size_t f = 0; f < figures.size(); ++f)
        for (std::size_t i = 0; i < m_formats.size(); ++i)
            if (m_formats[i]->isChecked()) {
                const QString path = f == 0 ? base : QStringLiteral("%1-panel%2").arg(base).arg(f);
                m_jobs.push_back({figures[f], options(kFormats[i]), path + u'.' + formatSuffix(kFormats[i])});
            }
    std::reverse(m_jobs.begin(), m_jobs.end());
    m_exporting = true;
    m_progress->setRange(0, static_cast<int>(m_jobs.size()));
    m_progress->setValue(0);
    m_progress->show();
    validate();
    m_nextTurn.start();
}

Result<ExportDialog::Output> ExportDialog::draw(const Job& job) {
    Output out{job.path, {}, {}};
    if (job.options.format == FigureFormat::Png) {
        CREST_TRY(picture, figureImage(job.figure, job.options));
        out.picture = std::move(picture);
    } else {
        CREST_TRY(bytes, renderFigure(job.figure, job.options));
        out.bytes = std::move(bytes);
    }
    return out;
}

Result<void> ExportDialog::write(Output output, const JobContext& context) {
    if (context.stopRequested())
        return stopped();
    const QString folder = QFileInfo(output.path).path();
    if (!QDir().mkpath(folder))
        return fail(ErrorKind::Io, "the folder could not be made.", folder.toStdString());
    if (!output.picture.isNull()) {
        CREST_TRY(encoded, pngBytes(output.picture, context));
        output.bytes = std::move(encoded);
    }
    return writeFigureFile(output.bytes, output.path);
}

/// One picture is held at a time: the next turn comes when this one is written.
void ExportDialog::drawNext() {
    if (m_jobs.empty())
        return finish({});
    const Job job = std::move(m_jobs.back());
    m_jobs.pop_back();
    auto drawn = draw(job);
    if (!drawn)
        return finish(toQString(drawn.error().text()));
    m_writing.start(
        [output = std::move(*drawn)](const JobContext& context) mutable { return write(std::move(output), context); },
        [this, path = job.path](const Result<void>& written) { // also where encoding threw: no memory
            if (!written)
                return finish(toQString(written.error().text()));
            m_written << path;
            m_nextTurn.start(); // first: who sees the progress may cancel
            m_progress->setValue(static_cast<int>(m_written.size()));
        });
}

void ExportDialog::finish(const QString& problem) {
    endExport();
    if (!problem.isEmpty()) {
        m_problem->setText(problem);
        m_problem->show();
        return;
    }
    Q_EMIT exported(m_written);
    accept();
}

void ExportDialog::endExport() {
    m_nextTurn.stop();
    m_writing.cancel();
    m_jobs.clear();
    m_exporting = false;
    m_progress->hide();
    validate();
}

void ExportDialog::reject() {
    endExport();
    QDialog::reject();
}

/// The picture itself, at the resolution of the screen.
void ExportDialog::showPreview() {
    ExportOptions wanted = options(FigureFormat::Png);
    const double ratio = devicePixelRatioF();
    wanted.dpi = std::clamp(kPreviewSize.width() * ratio / (wanted.widthMm / 25.4), 30.0, 300.0);
    const auto drawn = figureImage(m_figure, wanted);
    if (!drawn) {
        m_preview->setText(toQString(drawn.error().text()));
        return;
    }
    QPixmap picture = QPixmap::fromImage(drawn->scaled(kPreviewSize * ratio, Qt::KeepAspectRatio, Qt::SmoothTransformation));
    picture.setDevicePixelRatio(ratio);
    m_preview->setPixmap(picture);
}

} // namespace crest::ui
