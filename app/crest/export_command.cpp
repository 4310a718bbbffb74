// SPDX-License-Identifier: GPL-3.0-or-later
// crest export STUDY --figure curves -o fig.pdf
#include <filesystem>
#include <iostream>
#include <memory>
#include <tuple>

#include "app/crest/commands.h"
#include "app/crest/figure_files.h"
#include "core/analysis/probe_figures.h"
#include "core/base/units.h"
#include "core/study/study_folder.h"
#include "ui/data/probe_loading.h"
#include "ui/data/study_opening.h"

namespace crest::app {
namespace {

struct ExportArguments {
    std::string study, run, figure = "curves", output, x = "tokens", y = "value", spread = "ci95";
    bool linearX = false, logX = false, linearY = false, logY = false, noInflections = false;
    double widthMm = 174, panelHeightMm = 62, fontPt = 8;
    double dpi = 300;
};

analysis::FigureOptions figureOptions(const ExportArguments& arguments) {
    using namespace analysis;
    FigureOptions options;
    options.x = arguments.x == "tokens"  ? XQuantity::Tokens
                : arguments.x == "flops" ? XQuantity::Flops
                                         : XQuantity::TokensPerParameter;
    options.y = arguments.y == "value"    ? YQuantity::Value
                : arguments.y == "change" ? YQuantity::Change
                                          : YQuantity::Both;
    options.xScale = arguments.linearX ? AxisScale::Linear : AxisScale::Log;
    options.yScale = arguments.logY ? AxisScale::Log : AxisScale::Linear;
    options.spread = arguments.spread == "sd" ? Spread::Deviation : Spread::Confidence95;
    options.inflections = !arguments.noInflections;
    return options;
}

/// The options that differ from what a figure has without them.
std::string optionsText(const ExportArguments& arguments) {
    const ExportArguments plain;
    std::string text;
    if (arguments.x != plain.x)
        text += " --x " + arguments.x;
    if (arguments.y != plain.y)
        text += " --y " + arguments.y;
    if (arguments.spread != plain.spread)
        text += " --spread " + arguments.spread;
    text += arguments.linearX ? " --linear-x" : "";
    text += arguments.logY ? " --log-y" : "";
    text += arguments.noInflections ? " --no-inflections" : "";
    for (const auto& [name, value, usual] :
         {std::tuple{" --width-mm ", arguments.widthMm, plain.widthMm},
          std::tuple{" --panel-height-mm ", arguments.panelHeightMm, plain.panelHeightMm},
          std::tuple{" --font-pt ", arguments.fontPt, plain.fontPt}, std::tuple{" --dpi ", arguments.dpi, plain.dpi}})
        if (value != usual)
            text += name + formatNumber(value, 6);
    return text;
}

Result<void> exportStudyFigure(const ExportArguments& arguments) {
    CREST_TRY(folder, study::StudyFolder::open(arguments.study));
    CREST_TRY(results, ui::loadProbeResults(folder, arguments.run));
    results.studyCommand = ui::exportCommand(folder, results.plan.id, optionsText(arguments));
    ui::addModelFacts(results, ui::scanStudy(folder.study(), folder.path(), {}, {}).series);
    const analysis::FigureOptions options = figureOptions(arguments);
    std::vector<analysis::InflectionRow> inflections;
    if (options.inflections) {
        CREST_TRY(table, analysis::inflectionTable(results));
        inflections = std::move(table);
    }
    CREST_TRY(figure, analysis::curvesFigure(results, options, inflections));
    ui::ExportOptions size;
    size.widthMm = arguments.widthMm;
    size.panelHeightMm = arguments.panelHeightMm;
    size.fontPt = arguments.fontPt;
    size.dpi = arguments.dpi;
    return writeFigureFile(figure, size, arguments.output);
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
    command->add_option("--figure", arguments->figure, "Which figure")->check(CLI::IsMember({"curves"}));
    command->add_option("-o,--output", arguments->output, "The file to write")->required();
    command->add_option("--run", arguments->run, "Which run's probe; default: the newest");
    command->add_option("--x", arguments->x, "Horizontal axis")
        ->check(CLI::IsMember({"tokens", "tokens-per-parameter", "flops"}));
    command->add_option("--y", arguments->y, "Loss, its change from the base, or both")
        ->check(CLI::IsMember({"value", "change", "both"}));
    command->add_option("--spread", arguments->spread, "What the bands are")->check(CLI::IsMember({"ci95", "sd"}));
    CLI::Option* linearX = command->add_flag("--linear-x", arguments->linearX, "Linear token axis");
    command->add_flag("--log-x", arguments->logX, "Logarithmic token axis; the default")->excludes(linearX);
    CLI::Option* logY = command->add_flag("--log-y", arguments->logY, "Logarithmic vertical axis");
    command->add_flag("--linear-y", arguments->linearY, "Linear vertical axis; the default")->excludes(logY);
    command->add_flag("--no-inflections", arguments->noInflections, "Leave the inflection marks out");
    command->add_option("--width-mm", arguments->widthMm, "Width of the figure")->check(CLI::Range(40.0, 1000.0));
    command->add_option("--panel-height-mm", arguments->panelHeightMm, "Height of a panel")
        ->check(CLI::Range(25.0, 500.0));
    command->add_option("--font-pt", arguments->fontPt, "Size of the text")->check(CLI::Range(4.0, 24.0));
    command->add_option("--dpi", arguments->dpi, "Resolution of a png")->check(CLI::Range(30.0, 2400.0));
    command->callback([arguments, &chosen] { chosen = [arguments] { return runExport(*arguments); }; });
}

} // namespace crest::app
