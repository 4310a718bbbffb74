// SPDX-License-Identifier: GPL-3.0-or-later
// The widgets of the probe dock: made, laid out, connected.
#include <algorithm>

#include <QComboBox>
#include <QEvent>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/docks/finer_rates_row.h"
#include "ui/docks/probe_dock.h"
#include "ui/docks/strength_edit.h"
#include "ui/docks/task_roles.h"
#include "ui/docks/training_details.h"
#include "ui/docks/tuning_extras.h"
#include "ui/window/actions.h"
#include "ui/window/number_box.h"
#include "ui/window/row_form.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kPlanDelayMs = 150; ///< after the last keystroke

QFrame* line() {
    auto* made = new QFrame;
    made->setFrameShape(QFrame::HLine);
    made->setFrameShadow(QFrame::Sunken);
    return made;
}

/// Scrolls up and down alone, and is never narrower than what it shows.
class Column : public QScrollArea {
public:
    explicit Column(QWidget* shown) {
        setWidget(shown);
        setWidgetResizable(true);
        setFrameShape(QFrame::NoFrame);
        setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    }
    QSize minimumSizeHint() const override {
        const int width = widget()->minimumSizeHint().width() + verticalScrollBar()->sizeHint().width();
        return {std::max(width, 33 * kRhythm), QScrollArea::minimumSizeHint().height()};
    }

protected:
    bool eventFilter(QObject* watched, QEvent* event) override {
        if (watched == widget() && event->type() == QEvent::LayoutRequest)
            updateGeometry(); // rows came or went
        return QScrollArea::eventFilter(watched, event);
    }
};

} // namespace

void ProbeDock::setupKinds() {
    const auto addKind = [this](const char* kind, const QString& name, const QString& about) {
        m_kind->addItem(name, QString::fromLatin1(kind));
        m_kind->setItemData(m_kind->count() - 1, about, Qt::ToolTipRole);
    };
    addKind(study::kGaussianNoise, tr("Gaussian noise"),
            tr("How much worse do the checkpoints get under noise on their weights?"));
    addKind(study::kFineTuning, tr("Fine-tuning"),
            tr("What do they gain and lose by the same fine-tuning, at every learning rate?"));
    addKind(study::kInterpolation, tr("Interpolation"),
            tr("What do they gain and lose on the way from their pretrained weights to the tuned ones?"));
    addKind(study::kQuantisation, tr("Quantisation"),
            tr("How much worse do they get when their matrices are rounded to few bits?"));
    addKind(study::kPruning, tr("Pruning"),
            tr("How much worse do they get when the smallest weights of their matrices are set to zero?"));
    addKind(study::kBaseEvaluation, tr("Base evaluation"),
            tr("The checkpoints as they are: tasks over pretraining, every answer kept"));
    m_kind->setAccessibleName(tr("Kind of probe"));
}

void ProbeDock::setupFields() {
    setupKinds();
    const auto setup = [](QSpinBox* box, int most) {
        box->setRange(1, most);
        box->setAlignment(Qt::AlignRight);
        box->setKeyboardTracking(false);
    };
    setup(m_group, 1 << 20);
    setup(m_epochs, 1'000'000); // what trainings take: a probe that a command set up is shown, and kept, as it is
    setup(m_batch, 1 << 20);
    m_data->setAccessibleName(tr("Fine-tuning data"));
    m_data->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_data->setToolTip(tr("What is trained on; its held-out part is measured as in-distribution (ID)"));
    m_epochs->setAccessibleName(tr("Epochs"));
    m_epochs->setToolTip(tr("Passes over the data"));
    m_batch->setAccessibleName(tr("Examples in a batch"));
    m_batch->setToolTip(tr("Examples of one optimiser step"));
    setup(m_loraRank, 1 << 16);
    m_loraRank->setMinimum(0);
    m_loraRank->setSpecialValueText(tr("all weights"));
    m_loraRank->setPrefix(tr("rank "));
    m_loraRank->setAccessibleName(tr("Rank of LoRA"));
    m_loraRank->setToolTip(tr("Trains low-rank adapters of the blocks' matrices instead of the weights themselves (LoRA). Their alpha stands under "
                              "\"More: steps, schedule, decay\"."));
    m_rate->setKind(study::probeKind(study::kFineTuning));
    m_rate->setAccessibleName(tr("Learning rate"));
    m_rate->setTip(tr("Peak rate of the training"));
    m_group->setAccessibleName(tr("Weights in a group"));
    m_group->setToolTip(tr("So many weights along a matrix's input share one scale"));
    m_series->setAccessibleName(tr("Series"));
    m_series->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_seeds->setRange(1, 100'000);
    m_seeds->setAlignment(Qt::AlignRight);
    m_seeds->setKeyboardTracking(false);
    m_scale->addItem(tr("initialisation std"), static_cast<int>(study::NoiseScale::InitStd));
    m_scale->addItem(tr("tensor RMS"), static_cast<int>(study::NoiseScale::TensorRms));
    m_scale->setAccessibleName(tr("What gamma multiplies"));
    m_compute->addItem(tr("float32"), static_cast<int>(study::ComputeType::Float32));
    m_compute->addItem(tr("bfloat16"), static_cast<int>(study::ComputeType::BFloat16));
    m_compute->setAccessibleName(tr("Number format"));
    m_compute->setToolTip(tr("Of the products of matrices. With bfloat16, trained weights, moments and sums stay in float32."));
    m_device->setAccessibleName(tr("Device"));
    m_device->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    showDevices();
    for (QLabel* label : {m_scaleHelp, m_cost, m_problem}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.9);
    m_scaleHelp->setFont(small);
    m_scaleHelp->setForegroundRole(QPalette::PlaceholderText);
    m_cost->setAccessibleName(tr("Cost of the probe"));
    m_run->setMinimumHeight(4 * kRhythm);
    m_planTimer.setSingleShot(true);
    m_planTimer.setInterval(kPlanDelayMs);
}

RowForm* ProbeDock::formOfFields(Actions& actions) {
    auto* add = new QVBoxLayout;
    add->setSpacing(0);
    for (const ActionId id : {ActionId::AddText, ActionId::AddSuite, ActionId::AddPrompts, ActionId::AddTuning}) {
        auto* button = new QToolButton;
        button->setDefaultAction(actions.at(id));
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setAutoRaise(true);
        add->addWidget(button);
    }
    auto* form = new RowForm;
    form->addRow(tr("&Kind"), m_kind);
    form->addRow(tr("Series"), m_series);
    form->addRow(tr("Tuning d&ata"), m_data);
    m_strengthsLabel = form->addRow(QString(), m_strengths);
    form->addRow(m_finer);
    form->addRow(tr("&Group"), m_group);
    m_seedsLabel = form->addRow(tr("&Draws"), m_seeds);
    form->addRow(tr("&Epochs"), m_epochs);
    form->addRow(tr("&Batch"), m_batch);
    form->addRow(tr("Rate"), m_rate);
    form->addRow(tr("&LoRA"), m_loraRank);
    form->addRow(m_details);
    form->addRow(m_extras);
    form->addRow(tr("Sca&le"), m_scale);
    form->addRow(m_scaleHelp);
    form->addRow(tr("C&ompute"), m_compute);
    form->addRow(tr("Devi&ce"), m_device);
    form->addRow(line());
    form->addRow(m_tasks);
    form->addRow(add);
    m_form = form;
    return form;
}

void ProbeDock::setupLayout(Actions& actions) {
    auto* fields = new QWidget;
    auto* fieldColumn = new QVBoxLayout(fields);
    fieldColumn->setContentsMargins(kRhythm, kRhythm, kRhythm, 0);
    fieldColumn->addLayout(formOfFields(actions));
    fieldColumn->addStretch(1);
    auto* foot = new QVBoxLayout;
    foot->setContentsMargins(kRhythm, 0, kRhythm, kRhythm);
    foot->setSpacing(kRhythm);
    for (QWidget* widget : {static_cast<QWidget*>(line()), static_cast<QWidget*>(m_cost),
                            static_cast<QWidget*>(m_problem), static_cast<QWidget*>(m_run)})
        foot->addWidget(widget);
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(new Column(fields), 1);
    column->addLayout(foot);
    setWidget(content);
}

void ProbeDock::connectFields() {
    connect(m_strengths, &StrengthEdit::strengthsEdited, this, &ProbeDock::edited);
    connect(m_strengths, &QLineEdit::editingFinished, this, &ProbeDock::store); // one step of undo for a whole list
    const auto editedAndStored = [this] {
        edited();
        store();
    };
    connect(m_finer, &FinerRatesRow::asked, this, &ProbeDock::refine);
    connect(m_finer, &FinerRatesRow::removed, this, [this] { setFiner({}); });
    connect(m_seeds, &QSpinBox::valueChanged, this, editedAndStored);
    connect(m_rate, &StrengthEdit::strengthsEdited, this, &ProbeDock::edited);
    connect(m_rate, &QLineEdit::editingFinished, this, &ProbeDock::store);
    for (const QSpinBox* box : {m_group, m_epochs, m_batch, m_loraRank})
        connect(box, &QSpinBox::valueChanged, this, editedAndStored);
    whenTyped(widget(), [this] {
        if (m_showing)
            return;
        if (!m_untaken || !fieldsAreGood())
            return showPlan(); // or why there is none
        edited();
        store();
    });
    connect(m_details, &TrainingDetails::edited, this, editedAndStored);
    connect(m_extras, &TuningExtras::edited, this, &ProbeDock::edited);
    connect(m_extras, &TuningExtras::settled, this, &ProbeDock::store);
    connect(m_data, &QComboBox::activated, this, editedAndStored);
    connect(m_scale, &QComboBox::activated, this, editedAndStored);
    connect(m_compute, &QComboBox::activated, this, editedAndStored);
    connect(m_device, &QComboBox::activated, this, [this] {
        m_session.chooseDevice(m_device->currentData().toString());
        showDevices();
        m_planTimer.start(); // memory is the device's
    });
    connect(m_tasks, &TaskRoles::rolesEdited, this, editedAndStored);
    connect(m_tasks, &TaskRoles::previewAsked, this, &ProbeDock::previewAsked);
    connect(m_tasks, &TaskRoles::removeAsked, &m_session, &StudySession::removeTask);
    connect(m_kind, &QComboBox::activated, this, &ProbeDock::loadProbe);
    connect(m_series, &QComboBox::activated, this, &ProbeDock::loadProbe);
    connect(&m_planTimer, &QTimer::timeout, this, &ProbeDock::askPlan);
}

void ProbeDock::connectSession(Actions& actions) {
    connect(&m_session, &StudySession::studyChanged, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::seriesChanged, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::closed, this, &ProbeDock::loadStudy);
    connect(&m_session, &StudySession::runsChanged, this, &ProbeDock::runsChanged);
    connect(&m_session, &StudySession::probeChanged, this, &ProbeDock::showPlan);
    connect(&m_session, &StudySession::planReady, this, &ProbeDock::takePlan);
    connect(&m_session, &StudySession::devicesChanged, this, [this] {
        showDevices();
        m_planTimer.start(); // memory is the device's
    });
    connect(&m_session, &StudySession::checkProgress, this, [this](int done, int total) {
        if (!m_plan && total > 0)
            m_cost->setText(tr("Checking weights: %1 of %2").arg(done).arg(total));
    });
    connect(m_run, &QPushButton::clicked, actions.at(ActionId::Run), &QAction::trigger);
    connect(actions.at(ActionId::Run), &QAction::changed, this,
            [this, action = actions.at(ActionId::Run)] { m_run->setEnabled(action->isEnabled()); });
    connect(actions.at(ActionId::Run), &QAction::triggered, this, &ProbeDock::run);
    connect(actions.at(ActionId::AddText), &QAction::triggered, this, &ProbeDock::addText);
    connect(actions.at(ActionId::AddSuite), &QAction::triggered, this, &ProbeDock::addSuite);
    connect(actions.at(ActionId::AddPrompts), &QAction::triggered, this, &ProbeDock::addPrompts);
    connect(actions.at(ActionId::AddTuning), &QAction::triggered, this, &ProbeDock::addTuning);
}

} // namespace crest::ui
