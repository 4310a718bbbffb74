// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/suite_dialog.h"

#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QFileDialog>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScreen>
#include <QSettings>
#include <QSpinBox>
#include <QTableView>

#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/dialogs/chat_box.h"
#include "ui/dialogs/chat_fields.h"
#include "ui/dialogs/counted_box.h"
#include "ui/window/icons.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kLookDelayMs = 300; ///< after the last keystroke in the folder's field
const QString kFolderKey = QStringLiteral("dataFolder");

QString settingsFile() {
    return stateFolder() + QStringLiteral("/suites.ini");
}

/// Whose lowest number is a word.
QSpinBox* countedFrom(int low, int high, const QString& special, const QString& what, const QString& name) {
    QSpinBox* box = countedBox(low, high, low, what, name);
    box->setSpecialValueText(special);
    box->setMaximumWidth(24 * kRhythm);
    return box;
}

/// The data of the sample's suite ship with it.
QString shippedDataOf(const QString& suite) {
    const QFileInfo file(suite);
    const QString data = resourcesFolder() + QStringLiteral("/sample/tasks");
    const bool shipped = !resourcesFolder().isEmpty() && file.fileName() == QStringLiteral("sample.json") &&
                         file.absoluteDir() == QDir(resourcesFolder() + QStringLiteral("/suites"));
    return shipped && QFileInfo(data).isDir() ? data : QString();
}

} // namespace

SuiteDialog::SuiteDialog(std::vector<study::Task> existing, QWidget* parent)
    : QDialog(parent)
    , m_existing(std::move(existing))
    , m_reading(this)
    , m_looking(this)
    , m_suite(new QComboBox)
    , m_role(new QComboBox)
    , m_folder(new QLineEdit)
    , m_all(new QCheckBox(tr("All tasks whose data are there")))
    , m_chat(new ChatFields)
    , m_table(new QTableView)
    , m_about(new QLabel)
    , m_state(new QLabel) {
    setWindowTitle(tr("Add tasks of a suite"));
    resize(QSize(96 * kRhythm, 68 * kRhythm).boundedTo(screen()->availableSize() - QSize(2, 5) * kRhythm));
    setupFields();
    setupTable();
    setupLayout();
    fillSuites();
    suiteChosen();
    (m_folder->text().isEmpty() ? static_cast<QWidget*>(m_folder) : m_table)->setFocus();
}

void SuiteDialog::setupFields() {
    m_suite->setAccessibleName(tr("Suite"));
    m_role->addItem(tr("out-of-distribution (OOD)"), static_cast<int>(study::Role::OutOfDistribution));
    m_role->addItem(tr("in-distribution (ID)"), static_cast<int>(study::Role::InDistribution));
    m_role->setAccessibleName(tr("Role in the probe"));
    m_folder->setAccessibleName(tr("Folder of the data"));
    m_folder->setPlaceholderText(tr("The folder that holds the tasks' files"));
    m_folder->setText(QSettings(settingsFile(), QSettings::IniFormat).value(kFolderKey).toString());
    m_shots = countedFrom(-1, 1000, tr("as the suite says"), tr("shot"), tr("Shots"));
    m_limit = countedFrom(0, 10'000'000, tr("all"), tr("item"), tr("At most"));
    m_lookTimer.setSingleShot(true);
    m_lookTimer.setInterval(kLookDelayMs);
    connect(m_suite, &QComboBox::activated, this, &SuiteDialog::suiteChosen);
    connect(m_folder, &QLineEdit::textChanged, this, [this] { m_lookTimer.start(); });
    connect(&m_lookTimer, &QTimer::timeout, this, &SuiteDialog::lookForData);
    connect(m_all, &QCheckBox::clicked, this, [this](bool on) { m_model.setAllWanted(on); });
    connect(&m_model, &SuiteModel::wantedChanged, this, &SuiteDialog::showState);
}

void SuiteDialog::setupTable() {
    m_table->setModel(&m_model);
    m_table->setAccessibleName(tr("Tasks of the suite"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->verticalHeader()->setDefaultSectionSize(3 * kRhythm);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setColumnWidth(SuiteModel::Task, 24 * kRhythm);
    m_table->setColumnWidth(SuiteModel::Metrics, 20 * kRhythm);
    m_table->setColumnWidth(SuiteModel::Shots, 7 * kRhythm);
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this, &SuiteDialog::showState);
}

QWidget* SuiteDialog::pathRow(QLineEdit* line, QPushButton* browse) {
    auto* row = new QWidget;
    auto* layout = new QHBoxLayout(row);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(kRhythm);
    layout->addWidget(line, 1);
    layout->addWidget(browse);
    return row;
}

void SuiteDialog::setupLayout() {
    for (QLabel* label : {m_about, m_state}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    }
    m_state->setAccessibleName(tr("What is missing"));
    m_state->setMinimumHeight(5 * kRhythm);
    m_state->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    auto* browse = new QPushButton(icon(QStringLiteral("folder")), tr("&Browse..."));
    browse->setAutoDefault(false);
    connect(browse, &QPushButton::clicked, this, [this] {
        if (const QString folder = QFileDialog::getExistingDirectory(this, tr("The folder of the data"), m_folder->text());
            !folder.isEmpty())
            m_folder->setText(folder);
    });
    auto* buttons = new QDialogButtonBox;
    buttons->addButton(tr("Cancel"), QDialogButtonBox::RejectRole);
    m_add = buttons->addButton(tr("Add tasks"), QDialogButtonBox::AcceptRole);
    auto* form = new QFormLayout(this);
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    form->setHorizontalSpacing(2 * kRhythm);
    form->setVerticalSpacing(kRhythm);
    for (QLabel* label : {m_about, m_state}) // a label that wraps asks a form for more height than its text has
        label->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    form->addRow(tr("&Suite"), m_suite);
    form->addRow(QString(), m_about);
    form->addRow(tr("&Data in"), pathRow(m_folder, browse));
    form->addRow(m_table);
    form->addRow(m_all);
    form->addRow(m_state);
    form->addRow(tr("S&hots"), m_shots);
    form->addRow(tr("At &most"), m_limit);
    form->addRow(m_chat);
    form->addRow(tr("&Role"), m_role);
    form->addRow(buttons);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    whenTyped(this, [this] { showState(); });
    connect(buttons, &QDialogButtonBox::accepted, this, [this] {
        if (m_folder->text() != shippedDataOf(m_readFile)) // that one is found without being remembered
            QSettings(settingsFile(), QSettings::IniFormat).setValue(kFolderKey, m_folder->text());
        accept();
    });
}

/// Those that come with Crest, and any other file.
void SuiteDialog::fillSuites() {
    if (!resourcesFolder().isEmpty())
        for (const QFileInfo& file : QDir(resourcesFolder() + QStringLiteral("/suites"))
                                         .entryInfoList({QStringLiteral("*.json")}, QDir::Files, QDir::Name))
            m_suite->addItem(file.completeBaseName(), file.absoluteFilePath());
    m_suite->addItem(tr("Another file..."), QString());
    m_suite->setCurrentIndex(std::max(0, m_suite->findText(QStringLiteral("default"))));
}

void SuiteDialog::suiteChosen() {
    const QString file = m_suite->currentData().toString();
    if (!file.isEmpty())
        return readSuite(file);
    if (!isVisible()) { // there is nothing but "Another file...": it waits for a click
        m_problem = tr("Choose a suite file.");
        return showState();
    }
    const QString chosen = QFileDialog::getOpenFileName(this, tr("A suite"), {}, tr("Suites (*.json);;All files (*)"));
    if (!chosen.isEmpty())
        setSuiteFile(chosen);
}

void SuiteDialog::setSuiteFile(const QString& file) {
    int at = m_suite->findData(file);
    if (at < 0) {
        at = m_suite->count() - 1;
        m_suite->insertItem(at, QFileInfo(file).completeBaseName(), file);
    }
    m_suite->setCurrentIndex(at);
    readSuite(file);
}

void SuiteDialog::setDataFolder(const QString& folder) {
    m_folder->setText(folder);
}

void SuiteDialog::readSuite(const QString& file) {
    if (const QString shipped = shippedDataOf(file); !shipped.isEmpty())
        m_folder->setText(shipped);
    else if (!shippedDataOf(m_readFile).isEmpty() && m_folder->text() == shippedDataOf(m_readFile))
        m_folder->setText(QSettings(settingsFile(), QSettings::IniFormat).value(kFolderKey).toString());
    m_readFile = file;
    m_reading.start([path = std::filesystem::path(file.toStdString())](const JobContext&) { return data::readSuite(path); },
                    [this](const Result<data::Suite>& suite) {
                        m_problem = suite ? QString() : toQString(suite.error().text());
                        m_model.setSuite(suite ? *suite : data::Suite{});
                        m_about->setText(toQString(m_model.suite().description));
                        m_all->setChecked(false);
                        lookForData();
                    });
}

/// Task by task in a worker; each answer appears as it comes.
void SuiteDialog::lookForData() {
    m_looked = 0;
    for (int row = 0; row < m_model.rowCount(); ++row)
        m_model.setDataState(row, {});
    showState();
    const QString folder = m_folder->text().trimmed();
    if (folder.isEmpty() || m_model.rowCount() == 0)
        return m_looking.cancel();
    const std::vector<data::TaskDefinition> tasks = m_model.suite().tasks;
    const QString suite = m_suite->currentData().toString();
    m_looking.start(
        [this, tasks, folder, suite](const JobContext& job) {
            for (int row = 0; row < static_cast<int>(tasks.size()) && !job.stopRequested(); ++row) {
                const TaskDataState state =
                    findTaskData(tasks[static_cast<std::size_t>(row)], folder.toStdString(), job);
                QMetaObject::invokeMethod(this, [this, row, state, folder, suite] {
                    if (folder == m_folder->text().trimmed() && suite == m_suite->currentData().toString()) {
                        ++m_looked;
                        m_model.setDataState(row, state);
                    }
                });
            }
            return true;
        },
        [](bool) {});
}

/// What is told below the table: of the selected task, else of the first that is chosen and has no data, else of the first
/// without.
QString SuiteDialog::stateText() const {
    if (!m_problem.isEmpty())
        return m_problem;
    if (m_folder->text().trimmed().isEmpty())
        return tr("Name the folder that holds the data. Crest never downloads: the files are those that the tasks' "
                  "authors or the hub publish.");
    const auto told = [this](int row) {
        return tr("%1: %2").arg(m_model.index(row, SuiteModel::Task).data().toString(), m_model.index(row, SuiteModel::Data).data().toString());
    };
    const auto isMissing = [this](int row) { return m_model.isMissing(row); };
    const QModelIndexList selected = m_table->selectionModel()->selectedRows();
    if (!selected.isEmpty() && m_model.isKnown(selected.front().row()))
        return told(selected.front().row());
    const std::vector<int> wanted = m_model.wanted();
    if (const auto missing = std::find_if(wanted.begin(), wanted.end(), isMissing); missing != wanted.end())
        return told(*missing);
    if (m_looked < m_model.rowCount())
        return tr("Looking for the data: %1 of %2 tasks").arg(m_looked).arg(m_model.rowCount());
    for (int row = 0; row < m_model.rowCount() && wanted.empty(); ++row)
        if (isMissing(row))
            return told(row);
    return {};
}

void SuiteDialog::showState() {
    const std::vector<int> wanted = m_model.wanted();
    const QString typed = typedProblem(this);
    m_state->setText(typed.isEmpty() ? stateText() : typed);
    const bool missing = std::any_of(wanted.begin(), wanted.end(), [this](int row) { return m_model.isMissing(row); });
    if (m_add) {
        m_add->setEnabled(typed.isEmpty() && !wanted.empty() && !missing && !m_folder->text().trimmed().isEmpty());
        m_add->setText(wanted.size() > 1 ? tr("Add %1 tasks").arg(wanted.size()) : tr("Add task"));
    }
}

study::Role SuiteDialog::role() const {
    return static_cast<study::Role>(m_role->currentData().toInt());
}

void SuiteDialog::setCheckpoint(const std::filesystem::path& checkpoint) {
    m_chat->setCheckpoint(checkpoint);
}

std::vector<study::Task> SuiteDialog::tasks() const {
    std::vector<study::Task> tasks;
    const auto named = [&](const std::string& name) {
        const auto at = std::find_if(m_existing.begin(), m_existing.end(),
                                     [&](const study::Task& one) { return one.name == name; });
        return at == m_existing.end() ? nullptr : &*at;
    };
    for (const int row : m_model.wanted()) {
        const data::TaskDefinition& inSuite = m_model.suite().tasks[static_cast<std::size_t>(row)];
        const data::TaskDefinition definition = m_chat->asked(inSuite, m_shots->value());
        const std::string name = m_chat->isOn() ? ChatBox::nameOf(definition.name, definition) : definition.name;
        study::Task task;
        task.kind = study::TaskKind::Suite;
        task.textsPath = QFileInfo(m_folder->text().trimmed()).absoluteFilePath().toStdString();
        task.definition = canonicalJson(definition.definition);
        task.shots = m_shots->value();
        task.limit = m_limit->value();
        // The same task with other settings is another task.
        task.name = name;
        for (int number = 2; const study::Task* there = named(task.name); ++number) {
            study::Task same = *there;
            same.dataHash = task.dataHash;
            if (same == task)
                break;
            task.name = name + (number == 2 && task.shots >= 0 ? " " + std::to_string(task.shots) + "-shot"
                                                                           : " " + std::to_string(number));
        }
        tasks.push_back(std::move(task));
    }
    return tasks;
}

} // namespace crest::ui
