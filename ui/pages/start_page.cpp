// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/start_page.h"

#include <QAction>
#include <QCommandLinkButton>
#include <QFileInfo>
#include <QLabel>
#include <QVBoxLayout>

#include "ui/window/actions.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kWidth = 62 * kRhythm;

QCommandLinkButton* linkFor(QAction* action, const QString& text, const QString& description) {
    auto* button = new QCommandLinkButton(text, description);
    button->setIcon(action->icon());
    button->setIconSize(QSize(3 * kRhythm, 3 * kRhythm));
    button->setAccessibleName(text);
    QObject::connect(button, &QCommandLinkButton::clicked, action, &QAction::trigger);
    return button;
}

QLabel* headline(const QString& text, double scale) {
    auto* label = new QLabel(text);
    QFont font = label->font();
    font.setPointSizeF(font.pointSizeF() * scale);
    font.setBold(true);
    label->setFont(font);
    return label;
}

} // namespace

StartPage::StartPage(Actions& actions, QWidget* parent)
    : QWidget(parent)
    , m_recent(new QWidget)
    , m_recentColumn(new QVBoxLayout(m_recent))
    , m_reading(this) {
    setAccessibleName(tr("Start page"));
    setupLayout(actions);
}

void StartPage::setupLayout(Actions& actions) {
    auto* intro = new QLabel(tr("Does more pretraining still help once a model is fine-tuned, perturbed or quantised? Open a "
                                "series of checkpoints, probe it, and see the curve."));
    intro->setWordWrap(true);
    auto* drop =
        new QLabel(tr("A folder, or a file of a checkpoint, can also be dropped on the window. Checkpoints are only read, never "
                      "changed."));
    drop->setWordWrap(true);
    drop->setForegroundRole(QPalette::PlaceholderText);
    m_recentColumn->setContentsMargins(0, 0, 0, 0);
    m_recentColumn->setSpacing(0);
    auto* column = new QVBoxLayout;
    column->setSpacing(kRhythm);
    column->addStretch(2);
    column->addWidget(headline(QStringLiteral("Crest"), 2.0));
    column->addWidget(intro);
    column->addSpacing(2 * kRhythm);
    column->addWidget(linkFor(actions.at(ActionId::OpenFolder), tr("Open a checkpoint folder"),
                              tr("Or a study; folders with config.json and weights are found below it")));
    column->addWidget(linkFor(actions.at(ActionId::OpenSample), tr("Open the sample study"),
                              tr("A small series that shows the effect in a minute or two")));
    column->addWidget(linkFor(actions.at(ActionId::ShowTheory), tr("Theory lab"),
                              tr("The smallest network that overtrains, at the touch of a slider")));
    column->addSpacing(2 * kRhythm);
    column->addWidget(m_recent);
    column->addWidget(drop);
    column->addStretch(3);
    auto* row = new QHBoxLayout(this);
    auto* middle = new QWidget;
    middle->setLayout(column);
    middle->setMaximumWidth(kWidth);
    row->addStretch(1);
    row->addWidget(middle, 8);
    row->addStretch(1);
}

void StartPage::refresh() {
    m_reading.start([](const JobContext&) { return recentStudies(); },
                    [this](const std::vector<RecentStudy>& recent) { showRecent(recent); });
}

void StartPage::showRecent(const std::vector<RecentStudy>& recent) {
    while (QLayoutItem* item = m_recentColumn->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    if (recent.empty())
        return;
    m_recentColumn->addWidget(headline(tr("Recent studies"), 1.0));
    m_recentColumn->addSpacing(kRhythm / 2);
    for (std::size_t i = 0; i < std::min<std::size_t>(recent.size(), 5); ++i) {
        auto* button = new QCommandLinkButton(
            recent[i].name.isEmpty() ? QFileInfo(recent[i].folder).fileName() : recent[i].name, recent[i].folder);
        button->setIcon(icon(QStringLiteral("series")));
        button->setAccessibleName(tr("Open study %1").arg(recent[i].name));
        connect(button, &QCommandLinkButton::clicked, this,
                [this, folder = recent[i].folder] { Q_EMIT openAsked(folder); });
        m_recentColumn->addWidget(button);
    }
    m_recentColumn->addSpacing(2 * kRhythm);
}

} // namespace crest::ui
