// SPDX-License-Identifier: Apache-2.0
// The language of templates. Expected texts are Jinja's and Python's, worked out by hand.
#include <QTest>

#include "core/data/py_text.h"
#include "core/data/template.h"
#include "core/data/text_cleaning.h"
#include "cpu_timer.h"

using namespace crest;
using namespace crest::data;

class TemplateTest : public QObject {
    Q_OBJECT

private:
    static Json row() {
        return {{"q", " What is 2 + 2? "},
                {"list", {"a", "b", "c"}},
                {"choices", {{"text", {"x", "y"}}, {"label", {"A", "B"}}}},
                {"nested", {{{"k", 1}}, {{"k", 2}}}},
                {"n", 3},
                {"yes", true},
                {"nothing", nullptr},
                {"real", 0.5},
                {"empty", ""}};
    }

private Q_SLOTS:
    void texts_data() {
        QTest::addColumn<QString>("source");
        QTest::addColumn<QString>("expected");
        const auto add = [](const char* source, const char* expected) {
            QTest::newRow(source) << QString::fromUtf8(source) << QString::fromUtf8(expected);
        };
        add("plain { text } # %", "plain { text } # %");
        add("Q:{{q}}A", "Q: What is 2 + 2? A");
        add("{{q.strip()}}|{{q|trim}}|{{q.lstrip()}}|", "What is 2 + 2?|What is 2 + 2?|What is 2 + 2? |");
        add("{{ 'xxaxx'.strip('x') ~ 'xxaxx'.rstrip('x') }}", "axxa");
        add("{{choices.text[1]}}{{choices['label'][0]}}{{list[-1]}}{{list.1}}", "yAcb");
        add("{{choices.label.index('B')}}", "1");
        add("{{list|join(', ')}} {{', '.join(list)}}", "a, b, c a, b, c");
        add("{{nested|map(attribute='k')|join('+')}}", "1+2");
        add("{{list|map('upper')|join}}", "ABC");
        add("{{n + 1}} {{n - 5}} {{n * 2}} {{n / 2}} {{7 // 2}} {{ -7 // 2 }} {{ -7 % 3 }}", "4 -2 6 1.5 3 -4 2");
        add("{{1 + 2 * 3}} {{(1 + 2) * 3}} {{'a' ~ (1 + 2)}}", "7 9 a3");
        add("{{'a' + 'b' ~ n}}", "ab3");
        add("{{yes}} {{nothing}} {{real}} {{1.0}}", "True None 0.5 1.0");
        add("{{'even' if n % 2 == 0 else 'odd'}}", "odd");
        add("{{n > 2 and n <= 3}} {{1 < n < 3}} {{not yes}} {{'b' in list}} {{'z' not in list}}",
            "True False False True True");
        add("{{missing|default('none')}} {{missing is defined}} {{q is defined}}", "none False True");
        add("{{q is string}} {{choices is mapping}} {{n is number}} {{nothing is none}} {{q is not none}}",
            "True True True True True");
        add("{% if n == 3 %}three{% elif n == 4 %}four{% else %}other{% endif %}", "three");
        add("{% for x in list %}{{loop.index}}{{x}}{% if not loop.last %}-{% endif %}{% endfor %}", "1a-2b-3c");
        add("{% for x in [] %}x{% else %}empty{% endfor %}", "empty");
        add("{% set t = q.strip() %}{{t}}{{t|length}}", "What is 2 + 2?14");
        add("a  {{- n -}}  b {#- comment -#} c", "a3bc");
        add("{{ {'1': 'one', '3': 'three'}[n|string] }}", "three");
        add("{{ [n, 'x'][1] }}{{ q[1:5] }}{{ q[:-1][-2:] }}{{ list[1:]|join }}", "xWhat2?bc");
        add("{{ 'a b  c'.split(' ')|length }}{{ 'a b  c'.split()|length }}{{ 'a b c'.split(' ')[:-1]|join(' ') }}",
            "43a b");
        add("{{ 'x=1'.split('=')[-1]|int + 1 }}{{ ' 12 '|int }}{{ 'z'|int }}{{ '3.7'|int }}{{ yes|int }}", "212031");
        add("{{ 'hELLO wORLD'|capitalize }} {{ 'ab'.upper() }} {{ 'ab'.replace('a', 'c') }}", "Hello world AB cb");
        add("{{ 'tab\\t nl\\n q\\' u\\u00fc' }}", "tab\t nl\n q' u\xC3\xBC");
        add("{{ 'a1b22'|regex_replace('[0-9]+', '#') }}", "a#b#");
        add("{{ empty or 'fallback' }}", "fallback");
        add("line\r\nend\n", "line\nend\n");
    }

    void texts() {
        QFETCH(QString, source);
        QFETCH(QString, expected);
        const auto parsed = Template::parse(source.toStdString(), "test");
        QVERIFY2(parsed, parsed ? "" : parsed.error().text().c_str());
        const auto text = parsed->text(row());
        QVERIFY2(text, text ? "" : text.error().text().c_str());
        QCOMPARE(QString::fromStdString(*text), expected);
    }

    void oneExpressionIsAValue() {
        const auto value = [](const char* source) { return Template::parse(source, "test")->value(row()).value(); };
        QVERIFY(value("{{choices.text}}") == (Json{"x", "y"}));
        QVERIFY(value("{{n}}") == Json(3));
        QVERIFY(value(" {{n}}") == Json(" 3"));
        QVERIFY(value("{{ {'a': list[0]} }}") == (Json{{"a", "a"}}));
    }

    void refused_data() {
        QTest::addColumn<QString>("source");
        QTest::addColumn<QString>("says");
        const auto add = [](const char* source, const char* says) {
            QTest::newRow(source) << QString::fromUtf8(source) << QString::fromUtf8(says);
        };
        add("{{q|shuffle}}", "the filter \"shuffle\" is not known");
        add("{{q.format(1)}}", "the method \"format\" is not known");
        add("{{q is prime}}", "the test \"prime\" is not known");
        add("{% include 'x' %}", "the tag \"include\" is not known");
        add("{% macro m() %}{% endmacro %}", "the tag \"macro\" is not known");
        add("{{range(9)}}", "functions cannot be called");
        add("{{q", "not closed by }}");
        add("{% if q %}x", "endif");
        add("{{ 'abc }}", "quotation mark");
        add("{{ 99999999999999999999 }}", "does not fit 64 bits");
        add("a\n{{ + }}", "line 2");
        add("{{ ((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))) "
            "}}",
            "nested deeper");
        add("{{missing}}", "there is no \"missing\"");
        add("{{choices.missing}}", "there is no \"missing\"");
        add("{{list[7]}}", "there is no \"element 7\"");
        add("{{list}}", "a list stands where a text is needed");
        add("{{n + q}}", "a number + a text has no meaning");
        add("{{1 / 0}}", "division by zero");
        add("{{9223372036854775807 + 1}}", "does not fit 64 bits");
        add("{{choices.label.index('Z')}}", "is not in");
        add("{{q|regex_replace('(', '')}}", "no regular expression");
    }

    void refused() {
        QFETCH(QString, source);
        QFETCH(QString, says);
        auto parsed = Template::parse(source.toStdString(), "task: context");
        const Result<std::string> text = parsed ? parsed->text(row()) : Result<std::string>(fail(parsed.error()));
        QVERIFY(!text);
        QVERIFY2(QString::fromStdString(text.error().text()).contains(says), text.error().text().c_str());
    }

    void hostileTemplatesEnd() {
        const Json big{{"xs", std::vector<int>(20'000, 1)}, {"s", std::string(1'000'000, 'a')}};
        for (const char* source : {"{% for a in xs %}{% for b in xs %}{{a}}{% endfor %}{% endfor %}",
                                   "{% for a in xs %}{{s ~ s}}{% endfor %}", "{{ s.replace('a', s) }}",
                                   "{{ s|regex_replace('(a|aa)+[bc]', '') }}",
                                   "{% set t = s %}{% for a in xs %}{% set t = t ~ t %}{{t}}{% endfor %}"}) {
            const CpuTimer timer;
            const auto text = Template::parse(source, "test")->text(big);
            QVERIFY2(!text, source);
            QCOMPARE(text.error().kind, ErrorKind::OutOfRange);
            QVERIFY2(timer.seconds() < 2, source);
        }
        const auto tooLong = Template::parse(std::string(100'000, 'x'), "test");
        QVERIFY(!tooLong);
    }

    void pythonTexts() {
        QCOMPARE(pyCapitalize("ßAB \xCE\x91\xCE\xA3"),
                 std::string("SsAB").replace(2, 2, "ab") + " \xCE\xB1\xCF\x82"); // final sigma
        QCOMPARE(pyCapitalize("\xC7\x86X"), std::string("\xC7\x85x"));
        QCOMPARE(pyStrip("\x1f\xC2\x85 a \xE3\x80\x80"), std::string_view("a"));
        QCOMPARE(pyWordCount(""), std::int64_t(1));
        QCOMPARE(pyWordCount(" a\x1c\x1d"
                             "b\n"),
                 std::int64_t(4));
        QCOMPARE(codePoints("a\xCC\x81\xF0\x9F\x99\x82"), std::int64_t(3));
        QCOMPARE(pyReplace("abc", "", "-"), std::string("-a-b-c-"));
    }

    void cleaning() {
        QCOMPARE(hellaswagClean(" x [title] A [b] c  d [e\nf] "), std::string("x. A c d [e\nf]"));
        QCOMPARE(wikitextDetokenize("= = = A = = = 1 @,@ 000 ( b ) \" c \" , it 's"),
                 std::string("=== A === 1,000 (b) \"c\", it's"));
    }
};

QTEST_GUILESS_MAIN(TemplateTest)
#include "tst_template.moc"
