// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/series_model.h"

#include <algorithm>

#include <QRegularExpression>

#include "core/series/known_series.h"
#include "core/series/series_rules.h"
#include "ui/data/format.h"
#include "ui/data/path_marks.h"

namespace crest::ui {
namespace {

/// The internal id of a top-level row is 0, that of a checkpoint its series' row + 1.
constexpr quintptr kTopLevel = 0;

QString tokensToolTip(const series::Checkpoint& checkpoint) {
    if (!checkpoint.tokens)
        return QStringLiteral(
            "The number of pretraining tokens is not known. Type it here, or give the tokens per step of the "
            "series.");
    return QStringLiteral("%1 tokens (%2)").arg(*checkpoint.tokens).arg(toQString(series::tokensOrigin(checkpoint)));
}

const std::string& foundName(const series::Checkpoint& checkpoint) {
    return checkpoint.foundName.empty() ? checkpoint.name : checkpoint.foundName;
}

QString stageText(const series::Checkpoint& checkpoint) {
    if (!checkpoint.stage)
        return {};
    const QString stage = QString::number(*checkpoint.stage);
    return checkpoint.branch ? QStringLiteral("%1, ingredient %2").arg(stage).arg(*checkpoint.branch) : stage;
}

/// What an editor starts with: exact, not shortened for reading.
QVariant editText(const series::Checkpoint& checkpoint, int column) {
    if (column == SeriesModel::Tokens)
        return checkpoint.tokens ? QString::number(*checkpoint.tokens) : QString();
    if (column == SeriesModel::Stage)
        return checkpoint.stage ? QString::number(*checkpoint.stage) : QString();
    return column == SeriesModel::Name ? QVariant(toQString(checkpoint.name)) : QVariant();
}

QString wholeName(const series::Checkpoint& checkpoint) {
    QString name = shownText(checkpoint.name);
    for (const std::string& alias : checkpoint.aliases)
        name += QStringLiteral(" = ") + shownText(alias);
    return name;
}

QString rowToolTip(const series::Checkpoint& checkpoint) {
    QStringList lines{shownText(checkpoint.path.string())};
    if (const QString name = wholeName(checkpoint); !lines.front().endsWith(name)) // a narrow column cuts it
        lines.prepend(name);
    if (!checkpoint.reason.empty())
        lines << shownText(checkpoint.reason);
    if (foundName(checkpoint) != checkpoint.name)
        lines << QStringLiteral("Found as %1.").arg(shownText(foundName(checkpoint)));
    if (!checkpoint.commit.empty())
        lines << QStringLiteral("Commit %1").arg(toQString(checkpoint.commit));
    if (!checkpoint.fingerprint.empty())
        lines << QStringLiteral("Weights %1").arg(toQString(checkpoint.fingerprint.substr(0, 16)));
    return lines.join(u'\n');
}

/// Replicates are named by a path of which a narrow column shows the wrong part: what tells them apart comes first. The
/// tooltip has the path.
QString shortName(const series::Checkpoint& checkpoint) {
    const QString name = wholeName(checkpoint);
    if (!checkpoint.pretrainSeed || !name.contains(u'/'))
        return name;
    const QString seed = QStringLiteral("seed %1").arg(*checkpoint.pretrainSeed);
    return checkpoint.tokens ? seed : seed + QStringLiteral(", ") + name.section(u'/', -1);
}

/// "stage1-step1000" of "stage1-step1000-tokens5B" where tokens are known; else as it is.
QString withoutTokens(const QString& name, const series::Checkpoint& checkpoint) {
    static const QRegularExpression label(QStringLiteral("[-_ ](?:tokens?[-_ ]?)?\\d+(?:\\.\\d+)?[kmbt]$"),
                                          QRegularExpression::CaseInsensitiveOption);
    if (!checkpoint.tokens || !series::parseCheckpointName(name.toStdString()).tokens)
        return name;
    const QString rest = QString(name).remove(label);
    const bool tellsApart = std::any_of(rest.begin(), rest.end(), [](QChar c) { return c.isDigit(); });
    return tellsApart ? rest : name;
}

} // namespace

void SeriesModel::setSeries(const std::vector<series::Series>& series, std::function<int(const QString&)> measured) {
    beginResetModel();
    m_series = series;
    markEqualNames();
    m_measured = std::move(measured);
    endResetModel();
}

/// Copies in two folders, say: same seed, same tokens.
void SeriesModel::markEqualNames() {
    m_marks.clear();
    for (const series::Series& one : m_series) {
        std::map<QString, std::vector<std::filesystem::path>> alike;
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            alike[shortName(checkpoint) + u'\n' + tokensText(checkpoint.tokens)].push_back(checkpoint.path);
        for (const auto& [name, paths] : alike) {
            const std::vector<QString> marks = distinguishingParts(paths);
            for (std::size_t i = 0; i < paths.size(); ++i)
                if (!marks[i].isEmpty())
                    m_marks[paths[i].string()] = marks[i];
        }
    }
}

void SeriesModel::appendFound(const QString& name, const std::vector<series::Checkpoint>& checkpoints) {
    if (checkpoints.empty())
        return;
    auto at = std::find_if(m_series.begin(), m_series.end(),
                           [&](const series::Series& one) { return toQString(one.name) == name; });
    if (at == m_series.end()) {
        const int row = static_cast<int>(m_series.size());
        beginInsertRows({}, row, row);
        at = m_series.insert(m_series.end(), series::Series{name.toStdString(), {}, {}});
        endInsertRows();
    }
    const QModelIndex parent = index(static_cast<int>(at - m_series.begin()), 0);
    const int first = static_cast<int>(at->checkpoints.size());
    beginInsertRows(parent, first, first + static_cast<int>(checkpoints.size()) - 1);
    at->checkpoints.insert(at->checkpoints.end(), checkpoints.begin(), checkpoints.end());
    endInsertRows();
}

void SeriesModel::setEditable(bool editable) {
    m_editable = editable;
}

Qt::ItemFlags SeriesModel::flags(const QModelIndex& index) const {
    const Qt::ItemFlags usual = QAbstractItemModel::flags(index);
    const bool corrected = index.column() == Name || index.column() == Tokens || index.column() == Stage;
    return m_editable && index.isValid() && index.internalId() != kTopLevel && corrected ? usual | Qt::ItemIsEditable
                                                                                         : usual;
}

bool SeriesModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    if (role != Qt::EditRole || !(flags(index) & Qt::ItemIsEditable))
        return false;
    const series::Series& owner = m_series[index.internalId() - 1];
    const series::Checkpoint& checkpoint = owner.checkpoints[static_cast<std::size_t>(index.row())];
    const QString text = value.toString().trimmed();
    if (text == editText(checkpoint, index.column()).toString())
        return false; // nothing was typed
    bool isNumber = false;
    const int stage = text.toInt(&isNumber);
    const bool isStage = index.column() != Stage || text.isEmpty() || (isNumber && stage > 0);
    if (index.column() == Tokens && !text.isEmpty() && !tokensFromText(text)) {
        Q_EMIT refused(tr("\"%1\" is no number of tokens; write 2097152, 4M or 1.5B.").arg(text));
        return false;
    }
    if (!isStage) {
        Q_EMIT refused(tr("\"%1\" is no stage; write 1, 2, 3 ...").arg(text));
        return false;
    }
    Q_EMIT edited(toQString(owner.name), toQString(foundName(checkpoint)), index.column(), text);
    return true;
}

void SeriesModel::refreshMeasured() {
    for (int row = 0; row < rowCount(); ++row)
        if (const QModelIndex parent = index(row, 0); rowCount(parent) > 0)
            Q_EMIT dataChanged(index(0, Measured, parent), index(rowCount(parent) - 1, Measured, parent),
                               {Qt::DisplayRole});
}

QModelIndex SeriesModel::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent))
        return {};
    return createIndex(row, column, parent.isValid() ? static_cast<quintptr>(parent.row()) + 1 : kTopLevel);
}

QModelIndex SeriesModel::parent(const QModelIndex& child) const {
    if (!child.isValid() || child.internalId() == kTopLevel)
        return {};
    return createIndex(static_cast<int>(child.internalId()) - 1, 0, kTopLevel);
}

int SeriesModel::rowCount(const QModelIndex& parent) const {
    if (!parent.isValid())
        return static_cast<int>(m_series.size());
    if (parent.internalId() != kTopLevel || parent.column() != 0)
        return 0;
    return static_cast<int>(m_series[static_cast<std::size_t>(parent.row())].checkpoints.size());
}

int SeriesModel::columnCount(const QModelIndex&) const {
    return ColumnCount;
}

QVariant SeriesModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid())
        return {};
    if (role == Qt::TextAlignmentRole && index.column() != Name && index.column() != State)
        return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    if (index.internalId() == kTopLevel)
        return seriesData(m_series[static_cast<std::size_t>(index.row())], index.column(), role);
    const series::Series& owner = m_series[index.internalId() - 1];
    if (role == SeriesNameRole)
        return toQString(owner.name);
    return checkpointData(owner.name, owner.checkpoints[static_cast<std::size_t>(index.row())], index.column(), role);
}

QVariant SeriesModel::seriesData(const series::Series& one, int column, int role) const {
    if (role == SeriesNameRole)
        return toQString(one.name);
    if (role == CheckpointStateRole && one.checkpoints.empty())
        return static_cast<int>(series::CheckpointState::Broken);
    if (role == Qt::ToolTipRole)
        return shownText(one.path.string()) + (one.checkpoints.empty()
                                          ? QStringLiteral("\nNot there any more. Where it was moved: Locate.")
                                          : QString());
    if (role != Qt::DisplayRole)
        return {};
    if (column == Name)
        return shownText(one.name);
    if (column == State && one.checkpoints.empty())
        return QStringLiteral("not found");
    if (column == State) {
        const auto usable = std::count_if(one.checkpoints.begin(), one.checkpoints.end(), series::isUsable);
        const QString count = QStringLiteral("%1 of %2").arg(usable).arg(one.checkpoints.size());
        return usable < static_cast<std::ptrdiff_t>(one.checkpoints.size()) ? count + QStringLiteral(" readable") : count;
    }
    return {};
}

QVariant SeriesModel::checkpointData(const std::string& owner, const series::Checkpoint& checkpoint, int column,
                                     int role) const {
    if (role == CheckpointNameRole)
        return toQString(foundName(checkpoint));
    if (role == BriefNameRole)
        return withoutTokens(checkpointData(owner, checkpoint, Name, Qt::DisplayRole).toString(), checkpoint);
    if (role == Qt::EditRole)
        return editText(checkpoint, column);
    if (role == HasRemarkRole)
        return !checkpoint.reason.empty();
    if (role == CheckpointStateRole)
        return static_cast<int>(checkpoint.state);
    if (role == Qt::ToolTipRole)
        return column == Tokens ? tokensToolTip(checkpoint) : rowToolTip(checkpoint) + sharedText(owner, checkpoint);
    if (role != Qt::DisplayRole)
        return {};
    switch (column) {
    case Name: {
        const auto mark = m_marks.find(checkpoint.path.string());
        return mark == m_marks.end() ? shortName(checkpoint)
                                     : QStringLiteral("%1 (%2)").arg(shortName(checkpoint), mark->second);
    }
    case Tokens:
        return tokensText(checkpoint.tokens);
    case Step:
        return stepText(checkpoint.step);
    case Size:
        return bytesText(checkpoint.weightBytes);
    case State:
        return stateText(checkpoint.state) +
               (checkpoint.reason.empty() ? QString() : QStringLiteral(": ") + shownText(checkpoint.reason));
    case Measured:
        if (const int count = resultsOf(owner, checkpoint))
            return QString::number(count);
        if (const Twin twin = measuredTwin(checkpoint); twin.count > 0)
            return QStringLiteral("%1 shared").arg(twin.count);
        return {};
    case Stage:
        return stageText(checkpoint);
    default:
        return {};
    }
}

int SeriesModel::resultsOf(const std::string& owner, const series::Checkpoint& checkpoint) const {
    if (!m_measured)
        return 0;
    int count = m_measured(toQString(owner + "/" + checkpoint.name));
    if (foundName(checkpoint) != checkpoint.name) // before it got another name
        count += m_measured(toQString(owner + "/" + foundName(checkpoint)));
    return count;
}

/// Results belong to weights and are filed under the checkpoint that was measured first.
SeriesModel::Twin SeriesModel::measuredTwin(const series::Checkpoint& checkpoint) const {
    if (checkpoint.fingerprint.empty())
        return {};
    for (const series::Series& one : m_series)
        for (const series::Checkpoint& other : one.checkpoints)
            if (other.fingerprint == checkpoint.fingerprint)
                if (const int count = resultsOf(one.name, other))
                    return {one.name + "/" + other.name, count};
    return {};
}

QString SeriesModel::sharedText(const std::string& owner, const series::Checkpoint& checkpoint) const {
    const Twin twin = resultsOf(owner, checkpoint) > 0 ? Twin() : measuredTwin(checkpoint);
    return twin.count > 0 ? QStringLiteral("\nIts results are those of %1, which has the same weights.").arg(shownText(twin.name)) : QString();
}

QVariant SeriesModel::headerData(int section, Qt::Orientation orientation, int role) const {
    static const char* const kTitles[] = {"Checkpoint", "Tokens", "Step", "Size", "State", "Results", "Stage"};
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= ColumnCount)
        return {};
    return QString::fromLatin1(kTitles[section]);
}

} // namespace crest::ui
