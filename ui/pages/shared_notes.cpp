// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/shared_notes.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <QObject>
#include <QStringList>

#include "ui/data/format.h"

namespace crest::ui {
namespace {

constexpr qsizetype kMostNamed = 3;
constexpr std::size_t kMostInPanel = 1; ///< notes
constexpr std::ptrdiff_t kMostLong = 3; ///< panels

/// "dictionary, bible: ", "12 tasks: ".
QString prefixOf(QStringList tasks) {
    tasks.removeDuplicates();
    return (tasks.size() <= kMostNamed ? tasks.join(QStringLiteral(", ")) : countText(tasks.size(), "task")) +
           QStringLiteral(": ");
}

/// What a panel shows, up to the colon; all of its title where another shows the same.
QString nameOf(const analysis::FigurePanel& panel, const analysis::Figure& figure) {
    const auto task = [](const analysis::FigurePanel& one) { return toQString(one.title).section(u':', 0, 0); };
    const auto alike = std::ranges::count(figure.panels, task(panel), task);
    return alike > 1 ? toQString(panel.title) : task(panel);
}

/// Of panels with more than one note, each panel's as one line; nothing where there are many such panels.
QStringList takeLongNotes(analysis::Figure& figure) {
    const auto isLong = [](const analysis::FigurePanel& panel) { return panel.notes.size() > kMostInPanel; };
    QStringList lines;
    if (figure.panels.size() < 2 || std::count_if(figure.panels.begin(), figure.panels.end(), isLong) > kMostLong)
        return lines;
    for (analysis::FigurePanel& panel : figure.panels) {
        if (!isLong(panel))
            continue;
        QStringList notes;
        for (const std::string& note : std::exchange(panel.notes, {}))
            notes << toQString(note);
        lines << nameOf(panel, figure) + QStringLiteral(": ") + notes.join(QStringLiteral("; "));
    }
    return lines;
}

} // namespace

std::vector<std::vector<std::string>> notesOfPanels(const analysis::Figure& figure) {
    std::vector<std::vector<std::string>> notes;
    for (const analysis::FigurePanel& panel : figure.panels)
        notes.push_back(panel.notes);
    return notes;
}

QString takeSharedNotes(analysis::Figure& figure) {
    std::map<std::string, QStringList> tasks;
    for (const analysis::FigurePanel& panel : figure.panels)
        for (const std::string& note : panel.notes)
            tasks[note] << toQString(panel.title).section(u':', 0, 0);
    QStringList shared;
    qsizetype ofAll = 0; // these come first
    std::set<std::string> taken;
    for (analysis::FigurePanel& panel : figure.panels)
        std::erase_if(panel.notes, [&](const std::string& note) {
            const QStringList& of = tasks[note];
            if (of.size() < 2)
                return false;
            const bool all = of.size() == static_cast<qsizetype>(figure.panels.size());
            if (taken.insert(note).second)
                shared.insert(all ? ofAll++ : shared.size(), all ? toQString(note) : prefixOf(of) + toQString(note));
            return true;
        });
    shared += takeLongNotes(figure);
    return shared.join(u'\n');
}

} // namespace crest::ui
