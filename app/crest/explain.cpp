// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/crest/explain.h"

#include <cstdio>

#include <QFileInfo>

#include "ui/charts/figure_origin.h"

namespace crest::app {

int explain(const QStringList& files) {
    int code = 0;
    for (const QString& file : files) {
        const auto record = ui::readFigureRecord(file);
        if (!record) {
            std::fprintf(stderr, "crest explain: %s\n", record.error().text().c_str());
            code = 1;
            continue;
        }
        std::fputs(ui::explainRecord(*record, QFileInfo(file).fileName().toStdString()).c_str(), stdout);
    }
    return code;
}

} // namespace crest::app
