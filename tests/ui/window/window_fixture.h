// SPDX-License-Identifier: GPL-3.0-or-later
// What the window's tests share: a small series on disk, a runner that pretends, and a watcher of the event loop.
#pragma once

#include <algorithm>
#include <ctime>

#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QWidget>

namespace crest::test {

/// Measures how long each event handled by the GUI thread takes, from outside of the window's code.
class WatchedApplication : public QApplication {
public:
    using QApplication::QApplication;
    bool notify(QObject* receiver, QEvent* event) override;
    void startWatching();
    /// The longest event since startWatching: milliseconds of the clock, and of this thread's processor time.
    double longestWallMs() const { return m_wallMs; }
    double longestCpuMs() const { return m_cpuMs; }
    QString longestWhat() const { return m_what; }

private:
    int m_depth = 0;
    bool m_watching = false;
    double m_wallMs = 0, m_cpuMs = 0;
    QString m_what;
};

/// Six checkpoints of 1 M to 32 M tokens, and one that is cut short; a text; a runner.
struct SeriesFixture {
    QTemporaryDir dir;
    QString seriesFolder, textFile, pidFile;
    static constexpr int kCheckpoints = 6;

    SeriesFixture();
    /// The runner that the window starts waits `micros` for each result and leaves its process id in pidFile; cells of
    /// the checkpoint `failing` fail. Asked for devices it tells of a CPU with three cores.
    void useRunner(int micros, const QString& failing = {}) const;
    qint64 runnerPid() const;
};

/// The widget of this type and accessible name (or object name) below `parent`.
template<class T> T* named(const QWidget* parent, const QString& name) {
    for (T* widget : parent->findChildren<T*>())
        if (widget->accessibleName() == name || widget->objectName() == name)
            return widget;
    return nullptr;
}

/// The button whose text begins so.
inline QPushButton* buttonWith(const QWidget* parent, const QString& text) {
    for (QPushButton* button : parent->findChildren<QPushButton*>())
        if (button->text().startsWith(text))
            return button;
    return nullptr;
}

/// Whether a label that can be seen says so.
inline bool isSaid(const QWidget* place, const char* part) {
    const auto labels = place->findChildren<QLabel*>();
    return std::any_of(labels.begin(), labels.end(),
                       [&](const QLabel* label) { return label->isVisible() && label->text().contains(QLatin1String(part)); });
}

/// As if the user chose the entry.
inline void choose(QComboBox* box, int index) {
    box->setCurrentIndex(index);
    Q_EMIT box->activated(index);
}
inline void choose(QComboBox* box, const QString& text) {
    choose(box, box->findText(text));
}

/// As if the user typed over it and left it.
inline void typeOver(QLineEdit* edit, const QString& text) {
    edit->setText(text);
    Q_EMIT edit->textEdited(text);
    Q_EMIT edit->editingFinished();
}

/// A folder in `dir` with the sample's first two checkpoints: enough for a curve, few enough for a test.
QString smallSeries(const QTemporaryDir& dir);

/// As if the user dropped a folder on the window.
void dropFolder(QWidget* window, const QString& folder);

} // namespace crest::test
