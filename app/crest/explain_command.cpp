// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>
#include <string>
#include <vector>

#include "app/crest/commands.h"
#include "app/crest/explain.h"

namespace crest::app {

void addExplainCommand(CLI::App& app, Chosen& chosen) {
    auto files = std::make_shared<std::vector<std::string>>();
    CLI::App* command = app.add_subcommand("explain", "What an exported figure shows, and how to make it again");
    command->add_option("files", *files, "Figures: pdf, svg, png, csv, tex")->required();
    command->callback([files, &chosen] {
        chosen = [files] {
            QStringList names;
            for (const std::string& file : *files)
                names.append(QString::fromStdString(file));
            return explain(names);
        };
    });
}

} // namespace crest::app
