// SPDX-License-Identifier: Apache-2.0
// Asks what Crest is compared with (transformers, tokenizers, lm-evaluation-harness, peft, ...), by a Python script of the tests.
#pragma once

#include <string>

#include <QString>
#include <QStringList>

#include "core/base/result.h"

namespace crest::test {

/// One question to a peer. A script reads and writes below `folder` and nowhere else but in `alsoReads`.
struct PeerQuestion {
    QString script = {};        ///< from the source root, "tests/oracle/model_reference.py"; "" with a program
    QStringList arguments = {}; ///< those below `folder` in full
    QString folder = {};        ///< "" where the script writes nothing; need not exist yet
    QStringList alsoReads = {}; ///< from the source root: files and folders that the answer depends on
    QString program = {};       ///< Python itself, where a script of its own would say less
};

/// Has CREST_PYTHON run the script; what it printed, or an error with what it said. Limit: 10 minutes.
Result<std::string> askPeer(const PeerQuestion& question);

/// The same, but what was answered once is kept in CREST_PEER_ANSWERS and given again as long as nothing that it depends on has
/// changed: the scripts, the versions of all Python packages, the arguments, every byte below `folder`, `alsoReads`. Where the variable
/// is not set, or with CREST_FULL, the peer is asked every time. An answer that is used by no test for two days is removed.
Result<std::string> askPeerOnce(const PeerQuestion& question);

} // namespace crest::test
