// SPDX-License-Identifier: GPL-3.0-or-later
// crest demo: from an empty folder to the noise probe on the sample's checkpoints, its results file and figures.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include <QElapsedTimer>
#include <QProcess>
#include <QThread>

#include <fmt/format.h>

#include "app/crest/commands.h"
#include "app/crest/demo_table.h"
#include "app/crest/figure_files.h"
#include "app/run_progress.h"
#include "core/analysis/probe_figures.h"
#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/io/files.h"
#include "core/study/planner.h"
#include "core/study/queueing.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "ui/data/places.h"
#include "ui/data/probe_loading.h"
#include "ui/data/sample_study.h"
#include "ui/data/study_scan.h"

namespace crest::app {
namespace {

struct DemoArguments {
    std::string out = "crest-demo";
    int workers = 0;
};

constexpr int kPollMs = 250;

Result<study::StudyFolder> openDemoStudy(const std::string& out) {
    const std::filesystem::path file = std::filesystem::path(out) / "study.json";
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored))
        return study::StudyFolder::open(out);
    CREST_TRY(study, ui::sampleStudy(ui::resourcesFolder()));
    auto made = study::StudyFolder::create(out, study);
    if (!made && std::filesystem::exists(file, ignored)) // another demo was quicker
        return study::StudyFolder::open(out);
    return made;
}

/// The probe that crest demo makes: what else there is in a study is somebody's own work.
Result<study::Probe> demoProbe(const study::StudyFolder& folder) {
    CREST_TRY(sample, ui::sampleStudy(ui::resourcesFolder()));
    const auto& probes = folder.study().probes;
    const auto found = std::ranges::find(probes, sample.probes.front());
    if (found == probes.end())
        return fail(ErrorKind::Mismatch,
                    "This study holds no probe as crest demo makes it, so it is another one; choose another folder.",
                    folder.path().string());
    return *found;
}

Result<void> startRunner(QProcess& runner, const study::StudyFolder& folder, const std::string& runId, int workers) {
    const QString program = ui::runnerProgram();
    if (program.isEmpty())
        return fail(ErrorKind::NotFound, "crest-run is not beside crest; build it, or set CREST_RUN to its path.");
    runner.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    runner.setStandardOutputFile(QProcess::nullDevice());
    runner.start(program, {QStringLiteral("work"), QString::fromStdString(folder.path().string()),
                           QStringLiteral("--run"), QString::fromStdString(runId), QStringLiteral("--workers"),
                           QString::number(workers), QStringLiteral("--json")});
    if (!runner.waitForStarted())
        return fail(ErrorKind::Io, "could not be started: " + runner.errorString().toStdString(),
                    program.toStdString());
    return {};
}

/// Follows the run through the folder, as the window does, until it is done. A runner outlives the command that started
/// it: where one is at the run already it is followed, else crest-run is started as a child.
Result<void> runAndFollow(const study::StudyFolder& folder, const std::string& runId, int workers) {
    study::RunFollower follower(folder, runId);
    QProcess runner;
    PassingLine line;
    for (bool tried = false;;) {
        const bool ours = runner.state() != QProcess::NotRunning; // before the folder: its last words are there then
        CREST_TRY(status, follower.poll());
        if (status.state == study::RunState::Done && !ours)
            break;
        const bool others = status.state == study::RunState::Running || status.state == study::RunState::Stopping;
        if (!ours && !others && tried)
            return fail(ErrorKind::Internal,
                        fmt::format("The run ended as \"{}\": {}. What is finished is kept; crest "
                                    "demo --out {} goes on.",
                                    study::runStateName(status.state), status.message, folder.path().string()));
        if (!ours && !others) {
            CREST_CHECK(startRunner(runner, folder, runId, workers));
            tried = true;
            continue;
        }
        tried = ours; // what others leave may be taken up again
        if (line.isDue())
            line.show(runProgress(status));
        if (ours)
            runner.waitForFinished(kPollMs);
        else
            QThread::msleep(kPollMs);
    }
    return {};
}

Result<void> writeFigures(const study::StudyFolder& folder, const analysis::ProbeResults& results,
                          const std::vector<analysis::InflectionRow>& inflections) {
    std::error_code error;
    std::filesystem::create_directories(folder.figuresFolder(), error);
    if (error)
        return fail(io::systemError(error.value(), "create", folder.figuresFolder()));
    for (const auto& [name, quantity] :
         {std::pair{"curves", analysis::YQuantity::Value}, std::pair{"change", analysis::YQuantity::Change}}) {
        analysis::FigureOptions options;
        options.y = quantity;
        options.yScale =
            quantity == analysis::YQuantity::Change ? analysis::AxisScale::Log : analysis::AxisScale::Linear;
        CREST_TRY(figure, analysis::curvesFigure(results, options, inflections));
        CREST_TRY(files, writeAllFormats(figure, {}, (folder.figuresFolder() / name).string()));
    }
    return {};
}

/// Less text than a probe has by itself: the demo is to take a minute.
std::string textsLine(const study::Plan& plan) {
    const std::int64_t windows = plan.tasks.front().maxWindows;
    return windows > 0 && windows < study::Task{}.maxWindows
               ? fmt::format("measured on the first {} of each text; a probe takes {} where nothing else is said\n",
                             counted(windows, "window"), study::Task{}.maxWindows)
               : std::string();
}

Result<void> demo(const DemoArguments& arguments) {
    QElapsedTimer clock;
    clock.start();
    CREST_TRY(folder, openDemoStudy(arguments.out));
    CREST_TRY(probe, demoProbe(folder));
    const study::Study& study = folder.study();
    const ui::StudiedSeries scan = ui::studiedSeries(ui::scanStudy(study, folder.path(), {}, {}), study, {});
    const auto series = std::ranges::find(scan.series, probe.series, &series::Series::name);
    if (series == scan.series.end() || series->checkpoints.empty())
        return fail(ErrorKind::NotFound, scan.issues.empty() ? "The sample series holds no checkpoint."
                                                             : scan.issues[0].message.toStdString());
    study::ResultReader stored(folder);
    CREST_CHECK(stored.poll());
    CREST_TRY(plan, study::planProbe(folder, probe, *series, [&](const std::string& key) { return stored.has(key); }));
    const std::int64_t cached = plan.cachedCellCount(), cells = plan.cellCount();
    const int workers = arguments.workers > 0 ? arguments.workers : QThread::idealThreadCount();
    std::cerr << fmt::format("{}, {}: {} cached, {} new; {}\n{}",
                             counted(static_cast<std::int64_t>(plan.checkpoints.size()), "checkpoint"),
                             counted(cells, "cell"), cached, cells - cached, counted(workers, "worker"), textsLine(plan));
    CREST_TRY(runId, study::queueOnce(folder, plan, stored));
    CREST_CHECK(runAndFollow(folder, runId, workers));
    std::error_code ignored;
    if (!std::filesystem::exists(folder.resultsFile(),
                                 ignored)) // a runner that died just before; the journals hold all
        CREST_CHECK(study::publishResults(folder));
    CREST_TRY(results, ui::loadProbeResults(folder, runId));
    ui::addModelFacts(results, scan.series);
    CREST_TRY(inflections, analysis::inflectionTable(results));
    printDemoTable(std::cout, results, inflections);
    CREST_CHECK(writeFigures(folder, results, inflections));
    std::cout << fmt::format(
        "\nFigures: {}/curves.pdf and change.pdf, also .svg .png .csv .tex\nResults: {}\nTime: {}{}\n",
        folder.figuresFolder().string(), folder.resultsFile().string(),
        formatDuration(static_cast<double>(clock.elapsed()) / 1000),
        cached == cells ? " (everything was stored already, nothing was computed again)" : "");
    return {};
}

} // namespace

void addDemoCommand(CLI::App& app, Chosen& chosen) {
    auto arguments = std::make_shared<DemoArguments>();
    CLI::App* command = app.add_subcommand(
        "demo", "The noise probe on the sample series, 32 windows of each text: results, table and figures, in a minute or two");
    command->add_option("--out", arguments->out, "Folder of the study that is made; default: crest-demo");
    command->add_option("--workers", arguments->workers, "Threads side by side; default: one for each core")
        ->check(CLI::Range(1, 256));
    command->callback([arguments, &chosen] {
        chosen = [arguments] {
            const auto done = demo(*arguments);
            return done ? 0 : complain(done.error().text());
        };
    });
}

} // namespace crest::app
