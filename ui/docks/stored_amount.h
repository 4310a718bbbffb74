// SPDX-License-Identifier: GPL-3.0-or-later
// A number of a study in a box that shows it in another unit and with few digits.
#pragma once

#include <string>

#include <QDoubleSpinBox>

#include "core/base/json.h"

namespace crest::ui {

/// What the study says, and what the box made of it: what the user has not touched keeps its exact value.
struct StoredAmount {
    QDoubleSpinBox* box = nullptr;
    double unit = 1; ///< of the box: 0.01 for percent
    double stored = 0, shown = 0;

    double value() const;
    void show(double wanted);
};

/// From `least` to `most`; `atLeast`: the word for the least, "" for the number.
QDoubleSpinBox* amountBox(double least, double most, int decimals, const QString& suffix, const QString& atLeast);

/// Of an object's key; `otherwise` where it is not there, or no number.
double numberIn(const Json& object, const char* key, double otherwise = 0);
/// Of the settings of a probe that trains; an empty object where they have none.
Json trainingIn(const Json& settings);

} // namespace crest::ui
