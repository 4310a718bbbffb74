// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes of a page's bar whose entries follow the results.
#pragma once

#include <utility>

#include <QComboBox>
#include <QList>
#include <QVariant>

namespace crest::ui {

/// Longer entries are cut in the bar and whole in the list.
inline constexpr int kWidestChoice = 240;

using Choices = QList<std::pair<QString, QVariant>>;

inline QComboBox* choiceBox(const QString& name) {
    auto* box = new QComboBox;
    box->setAccessibleName(name);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    box->setMaximumWidth(kWidestChoice);
    return box;
}

/// Fills a box where its content differs, and keeps what was chosen.
inline void refill(QComboBox* box, const Choices& entries) {
    bool same = box->count() == entries.size();
    for (int i = 0; same && i < box->count(); ++i)
        same = box->itemText(i) == entries[i].first && box->itemData(i) == entries[i].second;
    if (same)
        return;
    const QVariant before = box->currentData();
    box->clear();
    for (const auto& [text, value] : entries)
        box->addItem(text, value);
    if (!entries.isEmpty())
        box->setCurrentIndex(std::max(0, box->findData(before)));
}

} // namespace crest::ui
