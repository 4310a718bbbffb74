// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/log_dialog.h"

#include <algorithm>
#include <map>
#include <utility>

#include <QClipboard>
#include <QDialogButtonBox>
#include <QFile>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/data/format.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr qint64 kLogEndBytes = 200'000;

QString endOf(const QString& path) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        return {};
    file.seek(std::max<qint64>(0, file.size() - kLogEndBytes));
    return QString::fromUtf8(file.readAll());
}

QString headText(const study::RunStatus& run) {
    QString text = QStringLiteral("%1: %2, %3 of %4\n")
                       .arg(toQString(run.id), runStateText(run.state))
                       .arg(run.doneCells)
                       .arg(countText(run.totalCells, "cell"));
    if (!run.message.empty())
        text += toQString(run.message) + u'\n';
    for (const std::string& note : run.notes)
        text += toQString(note) + u'\n';
    return text;
}

/// Every failed cell by its name, with the reason; of one reason the cells stand together.
QString failedText(const study::RunStatus& run, const Result<study::Plan>& plan) {
    QString text;
    std::map<std::string, QStringList> cells;
    for (const study::FailedCell& failed : run.failed)
        cells[failed.message] << (plan ? failedCellText(*plan, failed.cell) : QObject::tr("cell %1").arg(failed.cell));
    for (const auto& [reason, of] : cells)
        text += QObject::tr("%1 failed: %2\n    %3\n")
                    .arg(countText(of.size(), "cell"),
                         toQString(reason), of.join(QStringLiteral("\n    ")));
    return text;
}

} // namespace

void LogDialog::showFor(const QString& studyFolder, const study::RunStatus& run, QWidget* parent) {
    auto* dialog = new LogDialog(studyFolder, run, parent);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->show();
}

LogDialog::LogDialog(const QString& studyFolder, const study::RunStatus& run, QWidget* parent)
    : QDialog(parent)
    , m_text(new QPlainTextEdit)
    , m_reading(this) {
    setWindowTitle(tr("Log of %1").arg(toQString(run.id)));
    resize(80 * kRhythm, 50 * kRhythm);
    m_text->setReadOnly(true);
    m_text->setAccessibleName(windowTitle());
    m_text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_text->setPlainText(headText(run));
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
    auto* copy = buttons->addButton(tr("Copy all"), QDialogButtonBox::ActionRole);
    auto* column = new QVBoxLayout(this);
    column->addWidget(m_text);
    column->addWidget(buttons);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(copy, &QPushButton::clicked, this,
            [this] { QGuiApplication::clipboard()->setText(m_text->toPlainText()); });
    m_reading.start(
        [studyFolder, run](const JobContext&) {
            QString failed;
            if (!run.failed.empty())
                if (const auto folder = study::StudyFolder::open(studyFolder.toStdString()))
                    failed = failedText(run, study::readPlan(*folder, run.id));
            return std::pair(failed, endOf(studyFolder + QStringLiteral("/runners/log.txt")));
        },
        [this](const std::pair<QString, QString>& read) {
            const auto& [failed, log] = read;
            if (!failed.isEmpty())
                m_text->appendPlainText(failed);
            m_text->appendPlainText(log.isEmpty() ? tr("The runner has said nothing.") : log);
            m_text->moveCursor(QTextCursor::End);
        });
}

} // namespace crest::ui
