// SPDX-License-Identifier: GPL-3.0-or-later
// Where things are: the user's folders (XDG base directories), Crest's resources, the runner.
#pragma once

#include <QString>

namespace crest::ui {

QString dataFolder();  ///< $XDG_DATA_HOME/crest: untitled studies
QString stateFolder(); ///< $XDG_STATE_HOME/crest: window layout, recent studies

/// resources/ of this installation: $CREST_RESOURCES, else share/crest beside the program, else the source tree that
/// built it. "" where none is there.
QString resourcesFolder();
/// crest-run: $CREST_RUN, else beside this program. "" where it is not there.
QString runnerProgram();
/// The folder in which a folder of checkpoints is opened as an untitled study: the same for the same folder, so that
/// its results are found again.
QString untitledStudyFolder(const QString& checkpoints);

} // namespace crest::ui
