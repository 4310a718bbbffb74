// SPDX-License-Identifier: GPL-3.0-or-later
// Spin boxes that never take another number than the one that was typed. Qt's refuse single keys and drop separators of thousands, so
// that "2.5" or "2,5" in a field of whole numbers becomes 25, and 5000 becomes 500 where 1000 is the most. In these what is typed
// stands; where it is no number that the box takes, it has the colour of errors, problem() says why, and value() stays what it was.
#pragma once

#include <functional>

#include <QDoubleSpinBox>
#include <QSpinBox>

namespace crest::ui {

/// What number boxes of both types can be asked.
class NumberBox {
public:
    virtual ~NumberBox() = default;
    /// What is wrong with the text as it stands, a sentence with the box's accessible name; "" where value() is the number
    /// that it says, or where it is still the beginning of one.
    virtual QString problem() const = 0;
    /// As leaving the box does: what is typed and was not taken yet becomes its value, or its problem.
    virtual void take() = 0;
};

/// `Box`: QSpinBox or QDoubleSpinBox. Decimal points whatever the locale.
template<class Box> class ExactBox : public Box, public NumberBox {
public:
    explicit ExactBox(QWidget* parent = nullptr);
    QString problem() const override;
    void take() override;

    QValidator::State validate(QString& text, int& at) const override;
    void fixup(QString&) const override {} ///< nothing is made another number
    void stepBy(int steps) override;

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    bool isWhole() const;
    QString typed(const QString& text) const;
    bool stands() const;
    void leave();
    void refresh();

    bool m_bad = false; ///< as it is drawn
    QString m_left;     ///< the text that stood when the user was through with it
};
extern template class ExactBox<QSpinBox>;
extern template class ExactBox<QDoubleSpinBox>;
using WholeBox = ExactBox<QSpinBox>;
using DecimalBox = ExactBox<QDoubleSpinBox>;

/// Without zeros that say nothing: "10 %", "1.5 GB".
class AmountBox : public DecimalBox {
public:
    using DecimalBox::DecimalBox;
    QString textFromValue(double value) const override { return QString::number(value, 'g', 10); }
};

/// Of the boxes below `parent` that are not hidden: the first problem, "" where there is none.
QString typedProblem(const QWidget* parent);
/// Calls `look` whenever the text of a box changes that is below `parent` now.
void whenTyped(QWidget* parent, const std::function<void()>& look);
/// Of all boxes below `parent`.
void takeTyped(QWidget* parent);
/// What is half typed stays where the number has not changed.
void showNumber(QSpinBox* box, int number);

} // namespace crest::ui
