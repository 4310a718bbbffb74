// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/tokens_per_step.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QVBoxLayout>

#include "core/series/corrections.h"
#include "ui/data/format.h"
#include "ui/window/theme.h"

namespace crest::ui {

TokensPerStep::TokensPerStep(StudySession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_question(new QLabel)
    , m_hints(new QLabel)
    , m_field(new QLineEdit)
    , m_use(new QPushButton(tr("Use")))
    , m_later(new QPushButton(tr("Later"))) {
    m_question->setWordWrap(true);
    m_hints->setWordWrap(true);
    m_hints->setForegroundRole(QPalette::PlaceholderText);
    m_field->setPlaceholderText(tr("2097152, 4M"));
    m_field->setAccessibleName(tr("Tokens per step"));
    m_use->setToolTip(tr("Tokens = steps x tokens per step, for every checkpoint of the series"));
    m_later->setToolTip(tr("Until it is known the series is ordered by steps"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(kRhythm / 2);
    auto* row = new QHBoxLayout;
    row->setSpacing(kRhythm);
    row->addWidget(m_field, 1);
    row->addWidget(m_use);
    row->addWidget(m_later);
    column->addWidget(m_question);
    column->addLayout(row);
    column->addWidget(m_hints);
    hide();
    connect(m_use, &QPushButton::clicked, this, &TokensPerStep::accept);
    connect(m_field, &QLineEdit::returnPressed, this, &TokensPerStep::accept);
    connect(m_field, &QLineEdit::textChanged, this, [this](const QString& text) {
        m_use->setEnabled(text.trimmed().isEmpty() || tokensFromText(text).value_or(0) > 0);
    });
    connect(m_later, &QPushButton::clicked, this, &TokensPerStep::putOff);
    connect(&m_session, &StudySession::seriesChanged, this, &TokensPerStep::askWhereNeeded);
    connect(&m_session, &StudySession::closed, this, [this] {
        m_putOff.clear();
        m_series.clear();
        hide();
    });
}

QString TokensPerStep::series() const {
    return isHidden() ? QString() : m_series;
}

void TokensPerStep::askFor(const QString& name) {
    const auto& all = m_session.series();
    const auto at = std::ranges::find_if(all, [&](const series::Series& one) { return toQString(one.name) == name; });
    if (at == all.end() || !m_session.writable())
        return hide();
    m_series = name;
    m_question->setText(tr("Tokens per step of %1?").arg(name));
    QStringList hints;
    for (const std::string& hint : series::tokensPerStepHints(*at))
        hints << toQString(hint);
    m_hints->setText(hints.join(u'\n'));
    m_field->clear();
    for (const study::StudySeries& one : m_session.study().series)
        if (toQString(one.name) == name && one.corrections.tokensPerStep)
            m_field->setText(QString::number(*one.corrections.tokensPerStep));
    show();
}

void TokensPerStep::askWhereNeeded() {
    if (!isHidden() && std::ranges::any_of(m_session.series(), [&](const series::Series& one) {
            return toQString(one.name) == m_series && series::needsTokensPerStep(one);
        }))
        return; // somebody may be typing
    for (const series::Series& one : m_session.series())
        if (series::needsTokensPerStep(one) && !m_putOff.contains(toQString(one.name)))
            return askFor(toQString(one.name));
    hide();
}

void TokensPerStep::accept() {
    const QString text = m_field->text().trimmed();
    const auto tokens = tokensFromText(text);
    if (!text.isEmpty() && tokens.value_or(0) <= 0)
        return;
    hide();
    m_session.setTokensPerStep(m_series, tokens);
}

void TokensPerStep::putOff() {
    m_putOff.insert(m_series);
    hide();
    askWhereNeeded();
}

} // namespace crest::ui
