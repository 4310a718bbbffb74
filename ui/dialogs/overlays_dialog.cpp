// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/overlays_dialog.h"

#include <QDialogButtonBox>
#include <QDir>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

/// The name that a shipped file gives itself in its first lines.
QString shippedName(const QString& path) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly | QIODevice::Text))
        return {};
    const QString mark = QStringLiteral("# name: ");
    for (int line = 0; line < 5 && !file.atEnd(); ++line)
        if (const QString text = QString::fromUtf8(file.readLine(1000)).trimmed(); text.startsWith(mark))
            return text.mid(mark.size());
    return QFileInfo(path).completeBaseName();
}

} // namespace

OverlaysDialog::OverlaysDialog(StudySession& session, QWidget* parent)
    : QDialog(parent)
    , m_session(session)
    , m_table(new QTableView)
    , m_empty(new QLabel)
    , m_said(new QLabel)
    , m_problems(new QPlainTextEdit) {
    setWindowTitle(tr("Import to overlay"));
    setAttribute(Qt::WA_DeleteOnClose);
    resize(104 * kRhythm, 54 * kRhythm);
    setupTable();
    setupLayout();
    connect(&m_session, &StudySession::studyChanged, this, &OverlaysDialog::update);
    connect(&m_session, &StudySession::closed, this, &QDialog::reject);
    connect(&m_session, &StudySession::overlayRead, this, &OverlaysDialog::take);
    connect(&m_session, &StudySession::failed, this, [this](const QString& message) {
        m_said->setText(message);
        m_problems->hide();
    });
    update();
}

void OverlaysDialog::setupTable() {
    m_table->setModel(&m_model);
    m_table->setAccessibleName(tr("Overlays"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->verticalHeader()->setDefaultSectionSize(3 * kRhythm);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setColumnWidth(OverlaysModel::Name, 32 * kRhythm);
    m_table->setColumnWidth(OverlaysModel::Points, 7 * kRhythm);
    m_table->setColumnWidth(OverlaysModel::Drawn, 26 * kRhythm);
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this, [this] {
        m_remove->setEnabled(m_session.writable() && m_table->selectionModel()->hasSelection());
    });
}

void OverlaysDialog::setupLayout() {
    m_empty->setText(tr("Result files of lm-evaluation-harness (0.3 and newer, one for each checkpoint), CSV with the "
                        "columns task, value and tokens (also curve, metric, unit, low, high, stderr, n), or the "
                        "papers' points. A curve is drawn over the panel of the task with its name."));
    for (QLabel* label : {m_empty, m_said}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    m_said->setAccessibleName(tr("What the import brought"));
    m_said->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_problems->setReadOnly(true);
    m_problems->setAccessibleName(tr("What was left out"));
    m_problems->setMaximumHeight(12 * kRhythm);
    m_problems->hide();
    auto* files = new QPushButton(icon(QStringLiteral("add")), tr("&Files..."));
    auto* folder = new QPushButton(icon(QStringLiteral("folder")), tr("F&older of results..."));
    auto* papers = new QPushButton(tr("From the &papers"));
    m_remove = new QPushButton(icon(QStringLiteral("remove")), tr("&Remove"));
    m_remove->setEnabled(false);
    auto* menu = new QMenu(papers);
    fillPapers(menu);
    papers->setMenu(menu);
    papers->setEnabled(!menu->isEmpty());
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(kRhythm);
    for (QPushButton* button : {files, folder, papers}) {
        button->setAutoDefault(false);
        button->setEnabled(button->isEnabled() && m_session.writable());
        buttons->addWidget(button);
    }
    buttons->addStretch(1);
    m_remove->setAutoDefault(false);
    buttons->addWidget(m_remove);
    auto* close = new QDialogButtonBox;
    close->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(kRhythm);
    column->addWidget(m_empty);
    column->addLayout(buttons);
    column->addWidget(m_table, 1);
    column->addWidget(m_said);
    column->addWidget(m_problems);
    column->addWidget(close);
    connect(files, &QPushButton::clicked, this, &OverlaysDialog::chooseFiles);
    connect(folder, &QPushButton::clicked, this, &OverlaysDialog::chooseFolder);
    connect(m_remove, &QPushButton::clicked, this, &OverlaysDialog::removeSelected);
    connect(close, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

void OverlaysDialog::fillPapers(QMenu* menu) {
    const QDir shipped(resourcesFolder() + QStringLiteral("/overlays"));
    if (resourcesFolder().isEmpty())
        return;
    for (const QFileInfo& file : shipped.entryInfoList({QStringLiteral("*.csv")}, QDir::Files, QDir::Name))
        connect(menu->addAction(shippedName(file.filePath())), &QAction::triggered, this,
                [this, path = file.filePath()] { importFiles({path}); });
}

void OverlaysDialog::chooseFiles() {
    importFiles(QFileDialog::getOpenFileNames(this, tr("Import to overlay"), {},
                                              tr("Results and tables (*.json *.csv *.tsv *.txt);;All files (*)")));
}

void OverlaysDialog::chooseFolder() {
    if (const QString folder = QFileDialog::getExistingDirectory(this, tr("A folder of results*.json")); !folder.isEmpty())
        importFiles({folder});
}

void OverlaysDialog::importFiles(const QStringList& files) {
    if (files.isEmpty())
        return;
    m_said->setText(tr("Reading..."));
    m_problems->hide();
    m_session.readOverlay(files);
}

void OverlaysDialog::take(const analysis::OverlayImport& import) {
    std::size_t points = 0;
    for (const study::OverlayCurve& curve : import.overlay.curves)
        points += curve.points.size();
    QString said = tr("%1: %2 of %3. Drawn over: %4.")
                       .arg(toQString(import.overlay.name), countText(points, "point"),
                            countText(import.overlay.curves.size(), "curve"),
                            overlayTasksText(import.overlay, m_session.study().tasks));
    QStringList problems;
    for (const std::string& problem : import.problems)
        problems << toQString(problem);
    if (import.leftOut > 0)
        said += tr(" %1 left out:").arg(import.leftOut);
    if (import.leftOut > static_cast<std::int64_t>(import.problems.size()))
        problems << tr("... and %1 more").arg(import.leftOut - static_cast<std::int64_t>(import.problems.size()));
    m_session.addOverlay(import.overlay);
    m_said->setText(said);
    m_problems->setPlainText(problems.join(u'\n'));
    m_problems->setVisible(!problems.isEmpty());
}

void OverlaysDialog::removeSelected() {
    QStringList names;
    for (const QModelIndex& row : m_table->selectionModel()->selectedRows())
        names << m_model.nameAt(row.row());
    for (const QString& name : names)
        m_session.removeOverlay(name);
    m_said->setText(names.isEmpty() ? QString() : tr("Removed: %1. Undo brings it back.").arg(names.join(QStringLiteral(", "))));
    m_problems->hide();
}

void OverlaysDialog::update() {
    m_model.setStudy(m_session.study());
    m_remove->setEnabled(m_session.writable() && m_table->selectionModel()->hasSelection());
}

} // namespace crest::ui
