// SPDX-License-Identifier: GPL-3.0-or-later
// Whether tasks are asked by the chat template of a checkpoint's tokenizer: a box that is off where it has none, and says why.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <QCheckBox>

#include "core/data/suite.h"

namespace crest::ui {

class ChatBox : public QCheckBox {
    Q_OBJECT
public:
    explicit ChatBox(QWidget* parent = nullptr);

    /// The names of the templates that a checkpoint's tokenizer has and that can be used here; none where it has none.
    static std::vector<std::string> templatesOf(const std::filesystem::path& checkpoint);

    /// One of the series, "" for none; and which of its templates, "" for the usual one.
    void setCheckpoint(const std::filesystem::path& checkpoint, const std::string& name = {});
    /// The template takes no message of the system.
    bool leavesSystemOut() const { return m_leavesSystemOut; }
    /// Checked, and possible.
    bool isOn() const { return isEnabled() && isChecked(); }
    /// The task as it is asked with so many shots (-1: its own number).
    data::TaskDefinition asked(const data::TaskDefinition& task, std::int64_t shots) const;
    /// The task's name with what it has to say of that.
    static std::string nameOf(const std::string& name, const data::TaskDefinition& asked);

private:
    bool m_leavesSystemOut = false;
};

} // namespace crest::ui
