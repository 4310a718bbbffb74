// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/number_box.h"

#include <type_traits>
#include <utility>

#include <QKeyEvent>
#include <QLineEdit>
#include <QRegularExpression>

#include "ui/window/icons.h"

namespace crest::ui {
namespace {

/// As written by people who mean one number: no separators of thousands, no exponent.
bool isNumeral(const QString& text, bool whole) {
    static const QRegularExpression kWhole(QStringLiteral("^[+-]?[0-9]+$")),
        kDecimal(QStringLiteral("^[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)$"));
    return (whole ? kWhole : kDecimal).match(text).hasMatch();
}

/// As problems say it.
QString plainNumber(double value) {
    return QString::number(value, 'g', 10);
}

} // namespace

template<class Box>
ExactBox<Box>::ExactBox(QWidget* parent)
    : Box(parent) {
    this->setLocale(QLocale::c());
    QObject::connect(this->lineEdit(), &QLineEdit::textChanged, this, [this] {
        const bool bad = !problem().isEmpty();
        if (std::exchange(m_bad, bad) == bad)
            return;
        QPalette colors;
        if (bad)
            colors.setColor(QPalette::Text, stateColors(this->palette()).bad);
        this->lineEdit()->setPalette(colors);
    });
    QObject::connect(this, &Box::valueChanged, this, [this] { refresh(); });
}

template<class Box> bool ExactBox<Box>::isWhole() const {
    if constexpr (std::is_same_v<Box, QDoubleSpinBox>)
        return this->decimals() == 0;
    else
        return true;
}

/// Without prefix and suffix.
template<class Box> QString ExactBox<Box>::typed(const QString& text) const {
    const QString before = this->prefix(), after = this->suffix();
    QString bare = text;
    if (bare.startsWith(before))
        bare.remove(0, before.size());
    if (bare.endsWith(after))
        bare.chop(after.size());
    return bare.trimmed();
}

template<class Box> QValidator::State ExactBox<Box>::validate(QString& text, int& at) const {
    const QString number = typed(text), before = this->prefix().trimmed(), after = this->suffix().trimmed();
    if (!this->specialValueText().isEmpty() && text == this->specialValueText())
        return QValidator::Acceptable;
    if (number.isEmpty())
        return Box::validate(text, at);
    if (isNumeral(number, isWhole())) {
        const QValidator::State state = Box::validate(text, at);
        return state == QValidator::Invalid ? QValidator::Intermediate : state;
    }
    // A key that would eat into the words around the number does nothing, as usual: Qt has put them back whole beside what is left.
    const bool eats = (!before.isEmpty() && number.startsWith(before)) || (!after.isEmpty() && number.endsWith(after));
    return eats ? QValidator::Invalid : QValidator::Intermediate;
}

/// Nothing at all is no other number: there the box goes back to its value.
template<class Box> bool ExactBox<Box>::stands() const {
    QString text = this->lineEdit()->text();
    int at = this->lineEdit()->cursorPosition();
    return typed(text).isEmpty() || validate(text, at) == QValidator::Acceptable;
}

template<class Box> QString ExactBox<Box>::problem() const {
    if (stands())
        return {};
    const QString text = this->lineEdit()->text(), number = typed(text);
    QString copy = text;
    int at = this->lineEdit()->cursorPosition();
    const bool begun = isNumeral(number, isWhole()) && Box::validate(copy, at) == QValidator::Intermediate;
    if (begun && m_left != text)
        return {};
    const auto least = !this->specialValueText().isEmpty() && this->minimum() < 0 ? 0 : this->minimum();
    const QString low = plainNumber(least), high = plainNumber(this->maximum()), name = this->accessibleName();
    if constexpr (std::is_same_v<Box, QDoubleSpinBox>)
        if (!isWhole())
            return QObject::tr("%1: a number from %2 to %3, with a point and at most %4 behind it, not \"%5\".")
                .arg(name, low, high, this->decimals() == 1 ? QObject::tr("1 digit") : QObject::tr("%1 digits").arg(this->decimals()),
                     number);
    return QObject::tr("%1: a whole number from %2 to %3, not \"%4\".").arg(name, low, high, number);
}

template<class Box> void ExactBox<Box>::leave() {
    m_left = this->lineEdit()->text();
    Q_EMIT this->lineEdit()->textChanged(m_left); // what was the beginning of a number is one that is too small
}

/// Qt puts a number in the place of a text without saying that the text changes.
template<class Box> void ExactBox<Box>::refresh() {
    if (m_bad && problem().isEmpty())
        Q_EMIT this->lineEdit()->textChanged(this->lineEdit()->text());
}

template<class Box> void ExactBox<Box>::paintEvent(QPaintEvent* event) {
    Box::paintEvent(event);
    if (m_bad) // the same number once more comes without any signal
        QMetaObject::invokeMethod(this, [this] { refresh(); }, Qt::QueuedConnection);
}

template<class Box> void ExactBox<Box>::take() {
    if (stands())
        this->interpretText();
    else
        leave();
}

template<class Box> void ExactBox<Box>::stepBy(int steps) {
    if (!stands())
        this->setValue(this->value()); // from the number that holds
    Box::stepBy(steps);
    refresh();
}

template<class Box> void ExactBox<Box>::keyPressEvent(QKeyEvent* event) {
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && !stands()) { // and no dialog takes its default button with it
        leave();
        return event->accept();
    }
    const QString special = this->specialValueText();
    const bool writes = (!event->text().isEmpty() && event->text().front().isPrint()) || event->key() == Qt::Key_Backspace ||
                        event->key() == Qt::Key_Delete || event->matches(QKeySequence::Paste);
    if (!special.isEmpty() && this->lineEdit()->text() == special && writes)
        this->lineEdit()->selectAll(); // a number in the place of a word
    Box::keyPressEvent(event);
}

template<class Box> void ExactBox<Box>::focusOutEvent(QFocusEvent* event) {
    if (stands())
        return Box::focusOutEvent(event);
    leave(); // Qt would put the old number back without a word
    this->lineEdit()->event(event);
    QWidget::focusOutEvent(event);
}

template class ExactBox<QSpinBox>;
template class ExactBox<QDoubleSpinBox>;

QString typedProblem(const QWidget* parent) {
    for (const QAbstractSpinBox* box : parent->findChildren<QAbstractSpinBox*>())
        if (const auto* number = dynamic_cast<const NumberBox*>(box); number && box->isVisibleTo(parent))
            if (const QString problem = number->problem(); !problem.isEmpty())
                return problem;
    return {};
}

void whenTyped(QWidget* parent, const std::function<void()>& look) {
    for (const QAbstractSpinBox* box : parent->findChildren<QAbstractSpinBox*>())
        if (const auto* edit = box->findChild<QLineEdit*>())
            QObject::connect(edit, &QLineEdit::textChanged, parent, look);
}

void takeTyped(QWidget* parent) {
    for (QAbstractSpinBox* box : parent->findChildren<QAbstractSpinBox*>())
        if (auto* number = dynamic_cast<NumberBox*>(box))
            number->take();
}

void showNumber(QSpinBox* box, int number) {
    if (box->value() != number)
        box->setValue(number);
}

} // namespace crest::ui
