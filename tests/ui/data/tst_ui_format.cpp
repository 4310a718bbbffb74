// SPDX-License-Identifier: GPL-3.0-or-later
// What the window writes of numbers and states, and where its files are; the same in every locale.
#include <clocale>

#include <QDir>
#include <QLocale>
#include <QTemporaryDir>
#include <QtTest>

#include "core/study/study_folder.h"
#include "ui/data/format.h"
#include "ui/data/path_marks.h"
#include "ui/data/places.h"
#include "ui/data/probe_loading.h"
#include "ui/data/recent_studies.h"

using namespace crest;
using namespace crest::ui;

class TestUiFormat : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::German, QLocale::Germany)); }

    void numbers() {
        QCOMPARE(tokensText(std::int64_t{4'000'000}), QStringLiteral("4M"));
        QCOMPARE(tokensText(std::nullopt), QString());
        QCOMPARE(stepText(std::int64_t{143000}), QStringLiteral("143000"));
        QCOMPARE(bytesText(3'000'000'000), QStringLiteral("3 GB"));
        QCOMPARE(toQString(study::strengthText(study::probeKind(study::kGaussianNoise), 0.05)), QStringLiteral("gamma 0.05"));
        QCOMPARE(durationText(24), QStringLiteral("0:24"));
        QCOMPARE(rateText(12'345), QStringLiteral("12.3k tok/s"));
        QCOMPARE(rateText(711'000), QStringLiteral("711k tok/s"));
        QCOMPARE(rateText(1'660'000), QStringLiteral("1.66M tok/s"));
        QCOMPARE(rateText(812), QStringLiteral("812 tok/s"));
        QCOMPARE(rateText(0), QString());
    }

    void cost() {
        study::PlanCost cost;
        cost.cells = 640, cost.cached = 512, cost.fresh = 128;
        cost.seconds = 40, cost.memoryBytes = 310e6;
        QCOMPARE(costText(cost), QStringLiteral("640 cells: 512 cached, 128 new\nabout 0:40, 310 MB"));
        cost.trainings = 12, cost.keptTrainings = 3;
        QCOMPARE(costText(cost), QStringLiteral("640 cells: 512 cached, 128 new\n12 trainings, 3 kept\nabout 0:40, 310 MB"));
        QCOMPARE(costText(cost, 2), QStringLiteral("640 cells: 512 cached, 128 new\n12 trainings, 3 kept\n2 were done before, and the weights are gone\nabout 0:40, 310 MB"));
        cost.trainings = cost.keptTrainings = 0;
        cost.cached = 640, cost.fresh = 0;
        QCOMPARE(costText(cost), QStringLiteral("640 cells: 640 cached, 0 new"));
    }

    void states() {
        QCOMPARE(stateText(series::CheckpointState::Ok), QStringLiteral("readable"));
        QCOMPARE(stateText(series::CheckpointState::Excluded), QStringLiteral("excluded"));
        QCOMPARE(runStateText(study::RunState::Interrupted), QStringLiteral("interrupted"));
        QCOMPARE(roleText(study::Role::OutOfDistribution), QStringLiteral("OOD"));
    }

    void numbersUnderACommaLocale() {
        const char* comma = nullptr;
        for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"})
            if (!comma && std::setlocale(LC_NUMERIC, name))
                comma = name;
        if (!comma)
            qInfo("no locale with a decimal comma is installed: C.UTF-8 stands for it, and QLocale is German");
        QCOMPARE(toQString(study::strengthText(study::probeKind(study::kGaussianNoise), 0.15)), QStringLiteral("gamma 0.15"));
        QCOMPARE(rateText(1500), QStringLiteral("1.5k tok/s"));
        std::setlocale(LC_NUMERIC, "C");
    }

    void foldersFollowTheEnvironment() {
        qputenv("XDG_DATA_HOME", "/somewhere/data");
        QCOMPARE(dataFolder(), QStringLiteral("/somewhere/data/crest"));
        qputenv("XDG_DATA_HOME", "relative"); // not allowed by the specification: as if unset
        QCOMPARE(dataFolder(), QDir::homePath() + QStringLiteral("/.local/share/crest"));
        qputenv("XDG_DATA_HOME", "/somewhere/data");
        QVERIFY(untitledStudyFolder(QStringLiteral("/models/olmo"))
                    .startsWith(QStringLiteral("/somewhere/data/crest/studies/olmo-")));
        QCOMPARE(untitledStudyFolder(QStringLiteral("/models/olmo/")),
                 untitledStudyFolder(QStringLiteral("/models/olmo")));
        QVERIFY(untitledStudyFolder(QStringLiteral("/models/olmo")) !=
                untitledStudyFolder(QStringLiteral("/other/olmo")));
        qputenv("CREST_RUN", "/nowhere/crest-run");
        QCOMPARE(runnerProgram(), QString());
        qputenv("CREST_RUN", "/bin/sh");
        QCOMPARE(runnerProgram(), QStringLiteral("/bin/sh"));
    }

    void recentStudiesNewestFirstAndOnlyThoseThatAreThere() {
        QTemporaryDir dir;
        qputenv("XDG_STATE_HOME", dir.path().toUtf8());
        for (int i = 0; i < 12; ++i) {
            const QString folder = dir.filePath(QStringLiteral("study %1").arg(i));
            study::Study study;
            study.name = "study " + std::to_string(i);
            QVERIFY(study::StudyFolder::create(folder.toStdString(), study).has_value());
            rememberRecentStudy(folder, QString::fromStdString(study.name));
        }
        QCOMPARE(recentStudies().size(), 10u);
        QCOMPARE(recentStudies()[0].name, QStringLiteral("study 11"));
        rememberRecentStudy(dir.filePath(QStringLiteral("study 5")), QStringLiteral("five"));
        QCOMPARE(recentStudies()[0].name, QStringLiteral("five"));
        QCOMPARE(recentStudies().size(), 10u);
        QVERIFY(QDir(dir.filePath(QStringLiteral("study 5"))).removeRecursively());
        QCOMPARE(recentStudies()[0].name, QStringLiteral("study 11"));
    }

    void equalNamesAreToldApartByTheirFolders() {
        const auto parts = [](const std::vector<std::filesystem::path>& paths) {
            const std::vector<QString> marks = distinguishingParts(paths);
            return QStringList(marks.begin(), marks.end());
        };
        QCOMPARE(parts({"/x/run-a/step1", "/x/run-b/step1"}),
                 (QStringList{QStringLiteral("run-a"), QStringLiteral("run-b")}));
        QCOMPARE(parts({"/x/a/1/s", "/x/b/2/s", "/x/b/3/s"}),
                 (QStringList{QStringLiteral("a/1"), QStringLiteral("b/2"), QStringLiteral("b/3")}));
        QCOMPARE(parts({"/x/s", "/x/copy/s"}), (QStringList{QString(), QStringLiteral("copy")}));
        QCOMPARE(parts({"/x/s"}), QStringList{QString()});
        QCOMPARE(parts({}), QStringList{});
    }

    void commandsCanBePastedIntoAShell() {
        QTemporaryDir dir;
        const auto folder = study::StudyFolder::create((dir.path() + QStringLiteral("/it's mine")).toStdString(), {});
        QVERIFY(folder.has_value());
        const std::string command = exportCommand(*folder, "run-1");
        QCOMPARE(command, "crest export '" + dir.path().toStdString() +
                              "/it'\\''s mine' --run run-1");
    }
};

QTEST_GUILESS_MAIN(TestUiFormat)
#include "tst_ui_format.moc"
