// SPDX-License-Identifier: GPL-3.0-or-later
// crest export STUDY --figure curves -o fig.pdf
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/command_line.h"
#include "app/crest/commands.h"
#include "app/crest/figure_files.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/training_figure.h"
#include "core/base/counted.h"
#include "core/study/study_folder.h"
#include "ui/data/probe_loading.h"
#include "ui/data/study_scan.h"
#include "ui/data/training_loading.h"

namespace crest::app {
namespace {

constexpr const char* kTraining = "training";
constexpr const char* kTradeOff = "trade-off";
constexpr const char* kBest = "best";

std::vector<std::string> figureChoices() {
    std::vector<std::string> names = analysis::figureNames();
    names.emplace_back(kTraining);
    return names;
}

struct ExportArguments {
    std::string study, run, figure = "curves", output, x = "tokens", y, spread = "ci95", metric, checkpoint;
    std::optional<std::int64_t> seed;
    std::optional<double> strength; ///< kEnvelopeStrength: "best"
    double budget = 0, quickExponent = analysis::FigureOptions{}.quickExponent;
    bool linearX = false, logX = false, linearY = false, logY = false, noInflections = false;
    std::vector<std::string> hide;
    std::vector<double> xRange, yRange;
    int panel = 0; ///< from 1; 0: all
    ui::ExportOptions size;
};

analysis::FigureOptions figureOptions(const ExportArguments& arguments) {
    using namespace analysis;
    FigureOptions options;
    options.x = arguments.x == "tokens"  ? XQuantity::Tokens
                : arguments.x == "flops" ? XQuantity::Flops
                : arguments.x == "steps" ? XQuantity::Steps
                                         : XQuantity::TokensPerParameter;
    options.y = arguments.y.empty()       ? defaultsOf(arguments.figure).y
                : arguments.y == "value"  ? YQuantity::Value
                : arguments.y == "change" ? YQuantity::Change
                                          : YQuantity::Both;
    if (arguments.linearX || arguments.logX)
        options.xScale = arguments.linearX ? AxisScale::Linear : AxisScale::Log;
    if (arguments.linearY || arguments.logY)
        options.yScale = arguments.logY ? AxisScale::Log : AxisScale::Linear;
    options.strength = arguments.strength;
    if (arguments.budget > 0)
        options.budget = arguments.budget;
    options.quickExponent = arguments.quickExponent;
    options.spread = arguments.spread == "sd" ? Spread::Deviation : Spread::Confidence95;
    options.inflections = !arguments.noInflections;
    options.metric = arguments.metric;
    return options;
}

/// What no FigureOptions say: hidden curves, a zoom, one panel alone.
Result<void> applyView(const ExportArguments& arguments, analysis::Figure& figure) {
    if (arguments.panel > static_cast<int>(figure.panels.size()))
        return fail(ErrorKind::OutOfRange, fmt::format("The figure has {}, --panel asks for number {}.",
                                                       counted(static_cast<std::int64_t>(figure.panels.size()), "panel"),
                                                       arguments.panel));
    if (arguments.panel > 0)
        figure = ui::singlePanels(figure)[static_cast<std::size_t>(arguments.panel - 1)];
    for (const std::string& id : arguments.hide) {
        const auto curves = analysis::distinctCurves(figure);
        if (std::ranges::none_of(curves, [&](const auto& curve) { return curve.id == id; }))
            return fail(ErrorKind::NotFound,
                        fmt::format("There is no curve \"{}\" to hide; curves are \"base\", \"gamma=0.1\", ...", id));
    }
    for (analysis::FigurePanel& panel : figure.panels) {
        for (analysis::FigureCurve& curve : panel.curves)
            curve.visible = std::ranges::find(arguments.hide, curve.id) == arguments.hide.end();
        for (const auto& [range, axis] :
             {std::pair{&arguments.xRange, &panel.x}, std::pair{&arguments.yRange, &panel.y}})
            if (range->size() == 2) {
                axis->low = range->front();
                axis->high = range->back();
                if (!analysis::isDrawable(*axis))
                    return fail(ErrorKind::OutOfRange, "The range of an axis must rise, and be above 0 where the axis "
                                                       "is logarithmic.");
            }
    }
    return {};
}

/// Of what trainings have logged; no results are needed.
Result<analysis::Figure> trainingFigure(const ExportArguments& arguments, const study::StudyFolder& folder,
                                        const analysis::ProbeResults& results) {
    CREST_TRY(choice, analysis::trainingChoice(results.plan, arguments.checkpoint, arguments.strength, arguments.seed));
    analysis::Figure figure =
        analysis::trainingFigure(results, choice, ui::readTrainings(folder.trainingsFolder(), results, choice));
    if (figure.panels.empty())
        return fail(ErrorKind::NotFound, "Nothing is kept of these trainings: they have not begun, or were made before their "
                                         "curves were kept.");
    for (analysis::FigurePanel& panel : figure.panels) {
        panel.x.scale = arguments.logX ? analysis::AxisScale::Log : panel.x.scale;
        panel.y.scale = arguments.logY ? analysis::AxisScale::Log : panel.y.scale;
        analysis::fitAxis(panel, analysis::Dimension::X);
        analysis::fitAxis(panel, analysis::Dimension::Y);
    }
    return figure;
}

/// A number above 0, or "best".
double strengthFrom(const std::string& text) {
    if (text == kBest)
        return analysis::kEnvelopeStrength;
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size() || !(number > 0) || !std::isfinite(number))
        throw CLI::ValidationError("--strength", fmt::format("\"{}\" is no number above 0; of a trade-off it may also be \"{}\".", text, kBest));
    return number;
}

Result<void> exportStudyFigure(const ExportArguments& arguments) {
    if (arguments.strength == analysis::kEnvelopeStrength && arguments.figure != kTradeOff)
        return fail(ErrorKind::OutOfRange, "--strength best is of the figure trade-off; name a learning rate, or a gamma.");
    CREST_TRY(folder, study::StudyFolder::open(arguments.study));
    CREST_TRY(results, ui::loadProbeResults(folder, arguments.run));
    const study::Study& study = folder.study();
    ui::addModelFacts(results,
                      ui::studiedSeries(ui::scanStudy(study, folder.path(), {}, {}), study, {}).series);
    if (results.plan.checkpoints.empty() && results.excluded > 0)
        return fail(ErrorKind::NotFound, fmt::format("All {} checkpoints of this run are excluded; include some to draw it.", results.excluded));
    if (arguments.figure == kTraining) {
        CREST_TRY(training, trainingFigure(arguments, folder, results));
        CREST_CHECK(applyView(arguments, training));
        return writeFigureFile(training, arguments.size, arguments.output);
    }
    if (const auto metrics = analysis::metricsOf(results);
        !arguments.metric.empty() && std::ranges::find(metrics, arguments.metric) == metrics.end())
        return fail(ErrorKind::NotFound,
                    fmt::format("No task of this run has the metric \"{}\"; there are: {}.", arguments.metric,
                                metrics.empty() ? "none but the losses of texts" : fmt::format("{}", fmt::join(metrics, ", "))));
    const analysis::FigureOptions options = figureOptions(arguments);
    std::vector<analysis::InflectionRow> inflections;
    if (options.inflections) {
        CREST_TRY(table, analysis::inflectionTable(results, options.metric));
        inflections = std::move(table);
    }
    CREST_TRY(figure, analysis::makeFigure(arguments.figure, results, options, inflections));
    CREST_CHECK(applyView(arguments, figure));
    return writeFigureFile(figure, arguments.size, arguments.output);
}

int runExport(const ExportArguments& arguments) {
    if (const auto done = exportStudyFigure(arguments); !done)
        return complain(done.error().text());
    std::cout << arguments.output << "\n";
    return 0;
}

} // namespace

void addExportCommand(CLI::App& app, Chosen& chosen) {
    auto arguments = std::make_shared<ExportArguments>();
    CLI::App* command =
        app.add_subcommand("export", "Draw a figure of a study into a file: pdf, svg, png, csv or tex, by its name");
    command->add_option("study", arguments->study, "The study folder")->required();
    command->add_option("--figure", arguments->figure, "Which figure; figure-1 to figure-6 are laid out as in Springer et al. (2025)")
        ->check(CLI::IsMember(figureChoices()));
    command->add_option("-o,--output", arguments->output, "The file to write")->required();
    command->add_option("--run", arguments->run, "Which run's probe; default: the newest");
    command->add_option("--x", arguments->x, "Horizontal axis; steps also where no token count is known")
        ->capture_default_str()
        ->check(CLI::IsMember({"tokens", "tokens-per-parameter", "flops", "steps"}));
    command->add_option("--y", arguments->y, "Loss, its change from the base (of a trade-off: from plain fine-tuning), or both; default: value, of the map change")
        ->check(CLI::IsMember({"value", "change", "both"}));
    command->add_option("--metric", arguments->metric,
                        "Metric of the tasks of suites that have it (acc_norm, ...); default: the first of each");
    command->add_option("--spread", arguments->spread, "What the bands are")
        ->check(CLI::IsMember({"ci95", "sd"}))
        ->capture_default_str();
    command->add_option_function<std::string>(
        "--strength", [arguments](const std::string& text) { arguments->strength = strengthFrom(text); },
        "Which gamma, learning rate ... of a decomposition, a distance or a trade-off; default: the middle one. Of a trade-off also best, its default where "
        "settings have several rates: each at its own, best in ID");
    command
        ->add_option("--budget", arguments->budget, "Which budget of a trade-off, in tokens (16777216, 16M, 1.5B; steps where no token count is known); default: the largest")
        ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"k", 1e3}, {"M", 1e6}, {"B", 1e9}, {"T", 1e12}},
                                          CLI::AsNumberWithUnit::CASE_SENSITIVE));
    command->add_option("--checkpoint", arguments->checkpoint, "Of the figure training: whose trainings; --strength: one rate alone");
    command->add_option("--seed", arguments->seed, "Of the figure training: which fine-tuning seed; default: the first");
    command->add_option("--quick-exponent", arguments->quickExponent,
                        "The chosen rate falls quickly where it goes as tokens to minus this, or faster")
        ->check(positiveNumber());
    CLI::Option* linearX = command->add_flag("--linear-x", arguments->linearX, "Linear horizontal axis; the default of figure-1, figure-2 and trade-off");
    command->add_flag("--log-x", arguments->logX, "Logarithmic horizontal axis; the default of the others")->excludes(linearX);
    CLI::Option* logY = command->add_flag("--log-y", arguments->logY, "Logarithmic vertical axis; the default of chosen-rate and rate-map");
    command->add_flag("--linear-y", arguments->linearY, "Linear vertical axis; the default of the others")->excludes(logY);
    command->add_flag("--no-inflections", arguments->noInflections, "Leave the inflection marks out");
    command->add_option("--hide", arguments->hide, "A curve to leave out: base, gamma=0.1, ...")
        ->take_all()
        ->expected(1);
    command->add_option("--x-range", arguments->xRange, "Visible range of the horizontal axis: LOW HIGH")->expected(2);
    command->add_option("--y-range", arguments->yRange, "Visible range of the vertical axis: LOW HIGH")->expected(2);
    command->add_option("--panel", arguments->panel, "Only this panel, counted from 1")->check(CLI::Range(1, 1000));
    command->add_option("--width-mm", arguments->size.widthMm, "Width of the figure")->check(CLI::Range(40.0, 1000.0))
        ->capture_default_str();
    command->add_option("--panel-height-mm", arguments->size.panelHeightMm, "Height of a panel")
        ->check(CLI::Range(25.0, 500.0))
        ->capture_default_str();
    command->add_option("--font-pt", arguments->size.fontPt, "Size of the text")->check(CLI::Range(4.0, 24.0))
        ->capture_default_str();
    command->add_option("--dpi", arguments->size.dpi, "Resolution of a png")->check(CLI::Range(30.0, 2400.0))
        ->capture_default_str();
    command->callback([arguments, &chosen] { chosen = [arguments] { return runExport(*arguments); }; });
}

} // namespace crest::app
