// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/log_dialog.h"

#include <algorithm>

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
    QString text = QStringLiteral("%1: %2, %3 of %4 cells\n")
                       .arg(toQString(run.id), runStateText(run.state))
                       .arg(run.doneCells)
                       .arg(run.totalCells);
    if (!run.message.empty())
        text += toQString(run.message) + u'\n';
    for (const study::FailedCell& cell : run.failed)
        text += QObject::tr("cell %1 failed: %2\n").arg(cell.cell).arg(toQString(cell.message));
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
        [path = studyFolder + QStringLiteral("/runners/log.txt")](const JobContext&) { return endOf(path); },
        [this](const QString& log) {
            m_text->appendPlainText(log.isEmpty() ? tr("The runner has said nothing.") : log);
            m_text->moveCursor(QTextCursor::End);
        });
}

} // namespace crest::ui
