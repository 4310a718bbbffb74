// SPDX-License-Identifier: GPL-3.0-or-later
// `crest explain FILE`: what an exported figure shows and how to make it again.
#pragma once

#include <QStringList>

namespace crest::app {

/// Prints to stdout, errors to stderr. Returns the exit code: 0 where every file was explained, else 1.
int explain(const QStringList& files);

} // namespace crest::app
