// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/message_bar.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>

#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {

MessageBar::MessageBar(QWidget* parent)
    : QFrame(parent)
    , m_icon(new QLabel)
    , m_text(new QLabel)
    , m_action(new QPushButton) {
    setFrameShape(QFrame::StyledPanel);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::AlternateBase);
    setAccessibleName(tr("Message"));
    m_icon->setPixmap(icon(QStringLiteral("warning"), stateColors(palette()).warning).pixmap(18, 18));
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    auto* close = new QToolButton;
    close->setIcon(icon(QStringLiteral("close")));
    close->setAutoRaise(true);
    close->setAccessibleName(tr("Close the message"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(kRhythm, kRhythm / 2, kRhythm / 2, kRhythm / 2);
    row->addWidget(m_icon);
    row->addWidget(m_text, 1);
    row->addWidget(m_action);
    row->addWidget(close);
    connect(close, &QToolButton::clicked, this, [this] {
        hide();
        Q_EMIT closed(m_text->text());
    });
    connect(m_action, &QPushButton::clicked, this, [this] {
        hide();
        Q_EMIT actionAsked();
    });
    hide();
}

void MessageBar::showMessage(const QString& message, const QString& action) {
    m_text->setText(message);
    m_text->setAccessibleName(message);
    m_action->setText(action);
    m_action->setVisible(!action.isEmpty());
    setVisible(!message.isEmpty());
}

QString MessageBar::message() const {
    return isHidden() ? QString() : m_text->text();
}

} // namespace crest::ui
