// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/stored_amount.h"

#include "ui/window/number_box.h"

namespace crest::ui {

double StoredAmount::value() const {
    return box->value() == shown ? stored : box->value() * unit;
}

void StoredAmount::show(double wanted) {
    if (wanted != value())
        box->setValue(wanted / unit);
    stored = wanted;
    shown = box->value();
}

QDoubleSpinBox* amountBox(double least, double most, int decimals, const QString& suffix, const QString& atLeast) {
    auto* box = new AmountBox;
    box->setDecimals(decimals);
    box->setRange(least, most);
    box->setSuffix(suffix);
    box->setSpecialValueText(atLeast);
    box->setAlignment(Qt::AlignRight);
    box->setKeyboardTracking(false);
    return box;
}

double numberIn(const Json& object, const char* key, double otherwise) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && at != object.end() && at->is_number() ? at->get<double>() : otherwise;
}

Json trainingIn(const Json& settings) {
    const auto at = settings.is_object() ? settings.find("training") : settings.end();
    return settings.is_object() && at != settings.end() && at->is_object() ? *at : Json::object();
}

} // namespace crest::ui
