// SPDX-License-Identifier: GPL-3.0-or-later
// Notes that several panels of a figure have alike: on the screen they stand once below the panels.
#pragma once

#include <string>
#include <vector>

#include <QString>

#include "core/analysis/figure.h"

namespace crest::ui {

/// Of every panel, as an export says them.
std::vector<std::vector<std::string>> notesOfPanels(const analysis::Figure& figure);

/// Takes what two panels or more say alike out of them, so that the curves have the room, and gives it, a line each;
/// where other panels say something else, with the names of those that say it. So does what a few panels say at length.
QString takeSharedNotes(analysis::Figure& figure);

} // namespace crest::ui
