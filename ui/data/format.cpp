// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/format.h"

#include <cmath>

#include <QDateTime>
#include <QRegularExpression>

#include "core/base/units.h"

namespace crest::ui {

QString tokensText(std::optional<std::int64_t> tokens) {
    return tokens ? toQString(formatTokens(static_cast<double>(*tokens))) : QString();
}

std::optional<std::int64_t> tokensFromText(const QString& text) {
    static const QRegularExpression form(QStringLiteral("^([0-9][0-9,_ ]*(?:\\.[0-9]+)?) ?([kmbtKMBT]?)$"));
    const auto parts = form.match(text.trimmed());
    if (!parts.hasMatch())
        return std::nullopt;
    QString digits = parts.captured(1);
    digits.remove(QRegularExpression(QStringLiteral("[,_ ]")));
    static const QString units = QStringLiteral("kmbt");
    const qsizetype unit = parts.captured(2).isEmpty() ? 0 : units.indexOf(parts.captured(2).toLower()) + 1;
    bool exact = false;
    if (const qint64 whole = digits.toLongLong(&exact); exact && unit == 0)
        return whole;
    const double value = digits.toDouble() * std::pow(1000.0, static_cast<double>(unit));
    const bool wholeTokens = unit > 0 || !digits.contains(u'.');
    return wholeTokens && value < 9e18 ? std::optional<std::int64_t>(std::llround(value)) : std::nullopt;
}

QString stepText(std::optional<std::int64_t> step) {
    return step ? QString::number(*step) : QString();
}

QString bytesText(std::uint64_t bytes) {
    return toQString(formatBytes(static_cast<double>(bytes)));
}

QString stateText(series::CheckpointState state) {
    switch (state) {
    case series::CheckpointState::Ok:
        return QStringLiteral("readable");
    case series::CheckpointState::Suspect:
        return QStringLiteral("suspect");
    case series::CheckpointState::Broken:
        return QStringLiteral("broken");
    case series::CheckpointState::Excluded:
        return QStringLiteral("excluded");
    }
    return {};
}

QString runText(const std::string& id) {
    static const QRegularExpression form(QStringLiteral("^(\\d{8}-\\d{6})\\d*-(.+)-[0-9a-f]+$"));
    const auto parts = form.match(toQString(id));
    QDateTime time = QDateTime::fromString(parts.captured(1), QStringLiteral("yyyyMMdd-HHmmss"));
    if (!parts.hasMatch() || !time.isValid())
        return toQString(id);
    time.setTimeSpec(Qt::UTC);
    return parts.captured(2) + time.toLocalTime().toString(QStringLiteral(", yyyy-MM-dd HH:mm:ss"));
}

QString runStateText(study::RunState state) {
    switch (state) {
    case study::RunState::Queued:
        return QStringLiteral("queued");
    case study::RunState::Running:
        return QStringLiteral("running");
    case study::RunState::Paused:
        return QStringLiteral("paused");
    case study::RunState::Stopping:
        return QStringLiteral("stopping");
    case study::RunState::Stopped:
        return QStringLiteral("stopped");
    case study::RunState::Done:
        return QStringLiteral("done");
    case study::RunState::Failed:
        return QStringLiteral("failed");
    case study::RunState::Interrupted:
        return QStringLiteral("interrupted");
    }
    return {};
}

QString failedCellText(const study::Plan& plan, int cell) {
    if (cell < 0 || static_cast<std::size_t>(cell) >= plan.cells.size())
        return QStringLiteral("cell %1").arg(cell);
    const study::Cell& one = plan.cells[static_cast<std::size_t>(cell)];
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(one.checkpoint)];
    const QString name = toQString(checkpoint.series + "/" + checkpoint.name);
    const study::ProbeKind& kind = study::probeKind(plan.probe.kind);
    const QString strength = toQString(study::strengthText(kind, one.strength));
    return one.isBase()      ? QStringLiteral("%1, base").arg(name)
           : !kind.isDrawn() ? QStringLiteral("%1, %2").arg(name, strength)
                             : QStringLiteral("%1, %2, %3 %4").arg(name, strength, QString::fromUtf8(kind.draw)).arg(one.seed);
}

QString roleText(study::Role role) {
    return role == study::Role::InDistribution ? QStringLiteral("ID") : QStringLiteral("OOD");
}

QString durationText(double seconds) {
    return toQString(formatDuration(seconds));
}

QString rateText(double tokensPerSecond) {
    if (tokensPerSecond <= 0)
        return {};
    const bool millions = tokensPerSecond >= 999'500, thousands = tokensPerSecond >= 1000;
    const double unit = millions ? 1e6 : thousands ? 1e3 : 1;
    const QString suffix = millions    ? QStringLiteral("M tok/s")
                           : thousands ? QStringLiteral("k tok/s")
                                       : QStringLiteral(" tok/s");
    return toQString(formatNumber(tokensPerSecond / unit, 3)) + suffix;
}

QString costText(const study::PlanCost& cost, qint64 repeatedTrainings) {
    QString text =
        QStringLiteral("%1: %2 cached, %3 new").arg(countText(cost.cells, "cell")).arg(cost.cached).arg(cost.fresh);
    if (cost.trainings + cost.keptTrainings > 0)
        text += QStringLiteral("\n%1%2").arg(
            countText(cost.trainings, "training"),
            cost.keptTrainings > 0 ? QStringLiteral(", %1 kept").arg(cost.keptTrainings) : QString());
    if (repeatedTrainings > 0)
        text += QStringLiteral("\n%1 done before, and the weights are gone")
                    .arg(repeatedTrainings == 1 ? QStringLiteral("1 was") : QStringLiteral("%1 were").arg(repeatedTrainings));
    if (cost.fresh > 0)
        text += QStringLiteral("\nabout %1, %2")
                    .arg(durationText(cost.seconds), bytesText(static_cast<std::uint64_t>(cost.memoryBytes)));
    return text;
}

} // namespace crest::ui
