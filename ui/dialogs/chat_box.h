// SPDX-License-Identifier: GPL-3.0-or-later
// Whether tasks are asked by the chat template of a checkpoint's tokenizer: a box that is off where it has none, and says why.
#pragma once

#include <filesystem>

#include <QCheckBox>

#include "core/data/suite.h"

namespace crest::ui {

class ChatBox : public QCheckBox {
    Q_OBJECT
public:
    explicit ChatBox(QWidget* parent = nullptr);

    /// One of the series; "" for none.
    void setCheckpoint(const std::filesystem::path& checkpoint);
    /// Checked, and possible.
    bool isOn() const { return isEnabled() && isChecked(); }
    /// The task as it is asked with so many shots (-1: its own number).
    data::TaskDefinition asked(const data::TaskDefinition& task, std::int64_t shots) const;
    /// The task's name with what it has to say of that.
    static std::string nameOf(const std::string& name, const data::TaskDefinition& asked);
};

} // namespace crest::ui
