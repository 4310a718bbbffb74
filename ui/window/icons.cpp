// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/icons.h"

#include <QFile>
#include <QGuiApplication>
#include <QIconEngine>
#include <QPainter>
#include <QPalette>
#include <QPixmap>
#include <QSvgRenderer>

/// Resources of a static library must be asked for, outside of any namespace.
static void initIcons() {
    Q_INIT_RESOURCE(icons);
}

namespace crest::ui {
namespace {

class LineIcon : public QIconEngine {
public:
    LineIcon(QByteArray svg, std::optional<QColor> color)
        : m_svg(std::move(svg))
        , m_color(color) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override {
        QByteArray colored = m_svg;
        colored.replace("currentColor", colorFor(mode).name().toLatin1());
        QSvgRenderer(colored).render(painter, QRectF(rect));
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override {
        QPixmap drawn(size);
        drawn.fill(Qt::transparent);
        QPainter painter(&drawn);
        paint(&painter, QRect(QPoint(), size), mode, state);
        return drawn;
    }
    QIconEngine* clone() const override { return new LineIcon(*this); }

private:
    QColor colorFor(QIcon::Mode mode) const {
        const QPalette palette = QGuiApplication::palette();
        if (mode == QIcon::Disabled)
            return palette.color(QPalette::Disabled, QPalette::WindowText);
        if (m_color)
            return *m_color;
        return palette.color(QPalette::Active,
                             mode == QIcon::Selected ? QPalette::HighlightedText : QPalette::WindowText);
    }

    QByteArray m_svg;
    std::optional<QColor> m_color;
};

} // namespace

QIcon icon(const QString& name, std::optional<QColor> color) {
    initIcons();
    QFile file(QStringLiteral(":/icons/") + name + QStringLiteral(".svg"));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    return QIcon(new LineIcon(file.readAll(), color));
}

StateColors stateColors(const QPalette& palette) {
    const bool dark = palette.color(QPalette::Base).lightnessF() < 0.5;
    if (dark)
        return {QColor(0x6c, 0xc0, 0x8b), QColor(0xe8, 0xb3, 0x4a), QColor(0xff, 0x7b, 0x72), QColor(0x9a, 0xa0, 0xa6)};
    return {QColor(0x1e, 0x7b, 0x45), QColor(0x9a, 0x67, 0x00), QColor(0xb4, 0x23, 0x18), QColor(0x6b, 0x70, 0x76)};
}

QColor accentGround(const QPalette& palette) {
    const QColor base = palette.color(QPalette::Base), accent = palette.color(QPalette::Highlight);
    const auto mixed = [](int from, int to) { return from + (to - from) / 4; };
    return QColor(mixed(base.red(), accent.red()), mixed(base.green(), accent.green()), mixed(base.blue(), accent.blue()));
}

} // namespace crest::ui
