// SPDX-License-Identifier: Apache-2.0
// Chat templates: rendered as transformers renders them for lm-evaluation-harness, live; where they lie; hostile ones.
#include <fstream>
#include <set>

#include <QTemporaryDir>
#include <QtTest>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "core/data/chat_template.h"
#include "core/io/files.h"
#include "cpu_timer.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::data;

namespace {

std::vector<ChatMessage> messagesOf(const Json& talk) {
    std::vector<ChatMessage> messages;
    for (const Json& one : talk)
        messages.push_back({one["role"], one["content"]});
    return messages;
}

Result<std::string> rendered(const std::string& source, const std::vector<ChatMessage>& messages,
                             const std::map<std::string, std::string>& specials = {}, const std::string& date = {}) {
    CREST_TRY(chosen, ChatTemplate::choose({{{"default", source}}, specials}, "", date, "test"));
    CREST_TRY(made, chosen.render(messages));
    return made.text;
}

void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
}

long peakKilobytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

} // namespace

class ChatTemplateTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// First, while the process has held nothing yet: each is decided within 2 s of its own time and 64 MB.
    void hostileTemplatesEnd_data() {
        QTest::addColumn<QString>("source");
        QTest::addColumn<QString>("says");
        const auto add = [](const char* name, const std::string& source, const char* says) {
            QTest::newRow(name) << QString::fromStdString(source) << says;
        };
        const auto loops = [](const std::string& inside, int count) {
            std::string source = inside;
            for (int i = 0; i < count; ++i)
                source = "{% for i in range(99999) %}" + source + "{% endfor %}";
            return source;
        };
        const auto times = [](const std::string& text, int count) {
            std::string all;
            for (int i = 0; i < count; ++i)
                all += text;
            return all;
        };
        const std::string ns = "{% set ns = namespace(x='aaaaaaaaaaaaaaaa', l=[1]) %}";
        add("a long range", "{% for i in range(10**9) %}{% endfor %}", "range of more than");
        add("the longest range", "{% for i in range(-9223372036854775807, 9223372036854775807) %}{% endfor %}", "range of more than");
        add("loops in loops", loops("x", 8), "");
        add("loops that write nothing", loops("", 3), "");
        add("a text that doubles", ns + loops("{% set ns.x = ns.x ~ ns.x %}", 1), "too much text");
        add("a text that doubles by +", ns + loops("{% set ns.x = ns.x + ns.x %}", 1), "too much text");
        add("a text that doubles by join", ns + loops("{% set ns.x = [ns.x, ns.x] | join(ns.x) %}", 1), "too much text");
        add("a list that doubles", ns + loops("{% set ns.l = ns.l + ns.l %}", 1), "too much text");
        add("lists in lists", ns + loops("{% set ns.l = [ns.l] %}", 1), "deeper than");
        add("lists in lists, twice", ns + loops("{% set ns.l = [ns.l, ns.l] %}", 1), "");
        add("dictionaries in dictionaries", ns + loops("{% set ns.l = {'a': ns.l} %}", 1), "deeper than");
        add("replace", ns + loops("{% set ns.x = ns.x.replace('a', 'aaaaaaaa') %}", 1), "too much text");
        add("one text read again and again", "{% set x = messages[0].content %}" + loops("{% if x.upper() == x.lower() %}{% endif %}", 1), "too much text");
        add("a text searched in another", "{% set x = messages[0].content %}" + loops("{% if (x ~ 'b') in (x ~ x) %}{% endif %}", 1), "too much text");
        add("characters counted", "{% set x = messages[0].content %}" + loops("{% if x[-1] == 'b' or x | length == 1 %}{% endif %}", 1), "");
        add("macros without end", "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "macros call each other");
        add("two macros", "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('a') }}", "macros call each other");
        add("macros that double", [&] {
            std::string source = "{% macro m0(x) %}{{ x }}{{ x }}{% endmacro %}";
            for (int i = 1; i < 15; ++i)
                source += fmt::format("{{% macro m{}(x) %}}{{{{ m{}(m{}(x)) }}}}{{% endmacro %}}", i, i - 1, i - 1);
            return source + "{{ m14('ab') }}";
        }(), "");
        add("namespaces that hold each other", "{% set a = namespace() %}{% set a.b = a %}", "namespace inside of a namespace");
        add("brackets", "{{ " + times("(", 90'000) + "1" + times(")", 90'000) + " }}", "nested deeper");
        add("ifs", times("{% if true %}", 10'000), "nested deeper");
        add("elifs", "{% if true %}" + times("{% elif true %}", 10'000), "nested deeper");
        add("signs", "{{ " + times("-", 100'000) + "1 }}", "nested deeper");
        add("nots", "{{ " + times("not ", 60'000) + "1 }}", "nested deeper");
        add("a long sum", "{{ " + times("1 + ", 60'000) + "1 }}", "values in a row");
        add("sums in sums", [&] {
            std::string source = "1";
            for (int i = 0; i < 40; ++i)
                source = "(" + source + times(" + 1", 190) + ")";
            return "{{ " + source + " }}";
        }(), "deeper than");
        add("many filters", "{{ 'a'" + times("|upper", 40'000) + " }}", "filters and fields in a row");
        add("many parts", times("{{ a }}", 36'000), "more than 20000 parts");
        add("a long template", std::string(300'000, 'a'), "the longest is");
        add("a wide tojson", "{{ [1] | tojson(indent=1000000000) }}", "the most is 16");
        add("a long date", "{{ strftime_now('%Y' ~ messages[0].content) }}", "more than 200 bytes");
        add("a large power", "{{ 7 ** 99999999999 }}", "does not fit 64 bits");
        add("a text times", "{{ 'a' * 1000000000 }}", "too much text");
        add("a text times, for ever", "{{ 'aaaaaaaa' * 9223372036854775807 }}", "too much text");
        add("lists times", ns + loops("{% set ns.l = ns.l * 2 %}", 1), "too much text");
        add("dictionaries that double", "{% set ns = namespace(l=[{'a': 1}]) %}" + loops("{% set ns.l = ns.l + ns.l %}", 1), "too much text");
        add("empty lists that double", "{% set ns = namespace(l=[[]]) %}" + loops("{% set ns.l = ns.l + ns.l %}", 1), "too much text");
        add("a range beyond 64 bits", "{{ range(9223372036854775800, 9223372036854775807, 100) | length }}{{ 1 / 0 }}", "division by zero");
        add("a range below 64 bits", "{{ range(-9223372036854775800, -9223372036854775807, -100) | length }}{{ 1 / 0 }}", "division by zero");
        add("a list counted", "{% set l = range(99999) | list %}" + loops("{% set x = l.count(-1) %}", 1), "too much text");
        add("a list looked through", "{% set l = range(99999) | list %}" + loops("{% set x = l.index(99998) %}", 1), "too much text");
        add("empty texts joined", "{% set l = [''] * 90000 %}" + loops("{% set x = l | join %}", 1), "too much text");
        add("texts measured", "{% set x = messages[0].content %}{% set l = [x, x, x, x, x, x, x, x] %}" + loops("{% set y = l | map('length') %}", 1), "too much text");
        add("a message taken", loops("{% set x = messages[0].get('content') %}", 1), "too much text");
        add("characters of a long set", "{% set x = messages[0].content %}" + loops("{% set y = x.strip('b' * 90000 ~ 'a') %}", 1), "too much text");
        add("split from behind", "{% set x = messages[0].content %}{% set s = 'a' * 90000 ~ 'b' %}" + loops("{% set y = x.rsplit(s) %}", 1), "too much text");
        add("a regular expression", "{{ messages[0].content | regex_replace('(a|aa)+[bc]', '') }}", "the filter \"regex_replace\" is not known");
        add("ifs in a row", "{{ 1" + times(" if 1", 3000) + " }}", "in a row");
        add("names without end", "{% set a" + times(", a", 30'000) + " = 1 %}", "names for something else");
        add("raw without end", times("{% raw %}", 27'000), "{% endraw %} is missing");
        add("ends of raw that are none", "{% raw %}" + times("{%  endraw x", 20'000), "{% endraw %} is missing");
        add("blanks in a tag", "{%" + std::string(240'000, ' ') + "raw x %}", "the tag \"raw\" is not known");
        add("withs in withs", times("{% with %}", 24'000), "nested deeper");
        add("names of with", "{% with a = 1" + times(", a = 1", 30'000) + " %}{% endwith %}", "more than 20000 parts");
        add("filters of blocks", "{% filter upper" + times(" | upper", 30'000) + " %}{% endfilter %}", "filters in a row");
        add("a block that doubles", ns + loops("{% set y %}{% filter replace('a', 'aaaaaaaa') %}{{ ns.x }}{% endfilter %}{% endset %}{% set ns.x = y %}", 1), "too much text");
        add("calls of calls", "{% if true %}" + times("{% call f() %}", 17'000), "nested deeper");
        add("a call", "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}", "the tag \"call\" is not known");
        add("a tag that is not closed", times("{% ", 20'000), "");
        add("python", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "not known");
        add("python's builtins", "{{ self.__init__.__globals__ }}", "there is no");
        add("a file", "{% include '/etc/passwd' %}", "the tag \"include\" is not known");
    }
    void hostileTemplatesEnd() {
        QFETCH(QString, source);
        QFETCH(QString, says);
        const std::string text = source.toStdString();
        const std::vector<ChatMessage> messages{{"user", std::string(200'000, 'a')}};
        const long before = peakKilobytes();
        const CpuTimer timer;
        const auto got = rendered(text, messages, {}, "2024-02-09");
        const double seconds = timer.seconds();
        QVERIFY2(!got, "accepted");
        QVERIFY2(QString::fromStdString(got.error().text()).contains(says), got.error().text().c_str());
        QVERIFY2(seconds < 2, qPrintable(QString("%1 s").arg(seconds)));
#if !defined(__SANITIZE_ADDRESS__)
        const long grown = peakKilobytes() - before;
        QVERIFY2(grown < 64'000, qPrintable(QString("%1 kB more").arg(grown)));
#endif
    }

    /// Every model's template gives its reference's text, or the refusal names what the language lacks (two of them).
    void likeTransformers() {
        const Json reference = readReference();
        if (reference.is_null())
            return;
        QCOMPARE(reference["classes"].size(), std::size_t{16});
        for (const Json& one : reference["classes"]) {
            auto specials = one[2].get<std::map<std::string, std::string>>();
            if (specials["pad_token"] == "<|pad|>") // which the harness makes up where there is none at all
                specials.erase("pad_token");
            specials.erase("mask_token"); // of Gemma, for no template
            const auto ours = chatFilesOf(one[0], "", one[1]).value().specials;
            QVERIFY2(ours == specials, (one.dump() + " " + Json(ours).dump()).c_str());
        }
        int equal = 0, raised = 0;
        QStringList wrong;
        std::set<std::string> lacking;
        for (const Json& one : reference["cases"])
            for (std::size_t t = 0; t < one["texts"].size(); ++t) {
                const auto got = rendered(one["template"], messagesOf(reference["talks"][t]), reference["specials"],
                                          reference["date"]);
                const Json& wanted = one["texts"][t];
                const QString name = QString::fromStdString(one["name"].get<std::string>() + ", talk " + std::to_string(t));
                if (got && wanted == *got)
                    ++equal;
                else if (!got && wanted.is_null())
                    ++raised;
                else if (!got && got.error().kind == ErrorKind::Unsupported && one["real"] == true)
                    lacking.insert(one["name"].get<std::string>() + ": " + got.error().message);
                else if (wrong.size() < 20)
                    wrong << name + ": " + QString::fromStdString(got ? *got : got.error().text()) + "\n   not " +
                                 QString::fromStdString(wanted.dump()) + "\n   of " +
                                 QString::fromStdString(one["template"].get<std::string>().substr(0, 400));
            }
        for (const std::string& one : lacking)
            qInfo("lacks: %s", one.c_str());
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join("\n")));
        qInfo("%d equal, %d raise in both", equal, raised);
        QVERIFY(equal > 1000 && raised > 100);
        QVERIFY2(lacking.empty(), lacking.empty() ? "" : lacking.begin()->c_str());
    }

    void whereTemplatesLie() {
        QTemporaryDir folder;
        const std::filesystem::path path = folder.path().toStdString();
        const auto text = [&](const std::string& name = {}) -> Result<std::string> {
            CREST_TRY(files, readChatFiles(path));
            CREST_TRY(chosen, ChatTemplate::choose(files, name, "", "folder"));
            CREST_TRY(made, chosen.render({{{"user", "x"}}}));
            return made.text;
        };
        const auto none = text();
        QVERIFY(!none && none.error().kind == ErrorKind::NotFound);
        QVERIFY(none.error().message.find("has no chat template") != std::string::npos);
        write(path / "chat_template.json", R"({"chat_template": "of a processor"})");
        QCOMPARE(text().value(), "of a processor");
        write(path / "tokenizer_config.json", R"({"bos_token": {"content": "<b>"}, "chat_template": "{{bos_token}} of config"})");
        QCOMPARE(text().value(), "<b> of config");
        QCOMPARE(text("no such").value(), "<b> of config"); // one alone needs no name, as in the harness
        write(path / "tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]})");
        QCOMPARE(text().value() + text("rag").value(), "dr");
        QVERIFY(text("tool").error().message.find("it has default, rag") != std::string::npos);
        write(path / "tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
        QVERIFY(text().error().message.find("name one of rag") != std::string::npos);
        write(path / "tokenizer_config.json", R"({"chat_template": [{"name": "rag"}]})");
        QCOMPARE(text().error().kind, ErrorKind::Malformed);
        write(path / "chat_template.jinja", "file\n");
        QCOMPARE(text().value(), "file");
        write(path / "additional_chat_templates/rag.jinja", "r2");
        QCOMPARE(text().value() + text("rag").value(), "filer2");
        write(path / "chat_template.jinja", "\xff");
        QCOMPARE(text().error().kind, ErrorKind::Malformed);
    }

    void hostileFilesAreRefused() {
        QTemporaryDir folder;
        const std::filesystem::path path = folder.path().toStdString();
        const auto refused = [&](const char* says) {
            const CpuTimer timer;
            const auto files = readChatFiles(path);
            QVERIFY2(!files, says);
            QVERIFY2(QString::fromStdString(files.error().text()).contains(says), files.error().text().c_str());
            QVERIFY(timer.seconds() < 2);
        };
        const std::filesystem::path file = path / "chat_template.jinja", config = path / "tokenizer_config.json";
        std::filesystem::create_directories(file);
        refused("chat_template.jinja");
        std::filesystem::remove(file);
        QCOMPARE(::mkfifo(file.c_str(), 0600), 0);
        refused("chat_template.jinja");
        std::filesystem::remove(file);
        write(file, std::string(2'000'000, 'a'));
        refused("more than the 1000000");
        std::filesystem::remove(file);
        for (int i = 0; i < 101; ++i)
            write(path / "additional_chat_templates" / fmt::format("{}.jinja", i), "x");
        refused("more than 100 chat templates");
        std::filesystem::remove_all(path / "additional_chat_templates");
        const Json one{{"name", "a"}, {"template", "x"}};
        for (const Json& wrong : {Json(7), Json(true), Json{{"default", "x"}}, Json(std::vector<Json>(101, one)), Json::array({Json{{"name", 1}, {"template", "x"}}})}) {
            write(config, Json{{"chat_template", wrong}}.dump());
            refused("must be a text, or a list of names with templates");
        }
        write(config, R"({"chat_template": )" + std::string(5000, '[') + "}");
        refused("tokenizer_config.json");
        write(config, Json{{"chat_template", std::string(300'000, 'a')}}.dump());
        const auto files = readChatFiles(path);
        QVERIFY(files && !ChatTemplate::choose(*files, "", "", "folder"));
        write(config, R"({"chat_template": "{{ bos_token }}", "bos_token": {"content": ["<s>"]}, "eos_token": 7, "image_token": {}})");
        const auto odd = readChatFiles(path);
        QVERIFY(odd && odd->specials.empty()); // tokens that are no texts are none
    }

    void hashAndDate() {
        const auto chosen = [](ChatFiles files) { return ChatTemplate::choose(files, "", "", "test").value(); };
        const std::string source = "{{ strftime_now('%d %b %Y') }}";
        const ChatFiles one{{{"default", "{{ bos_token }}a"}}, {{"bos_token", "<s>"}}};
        ChatFiles other = one, padded = one, more = one;
        other.specials["bos_token"] = "<b>";
        padded.specials["pad_token"] = "<p>"; // of which this template says nothing
        more.templates["tool_use"] = source;
        QVERIFY(chosen(one).hash() != chosen(other).hash());
        QVERIFY(chosen(one).hash() != chosen({{{"default", "{{ bos_token }}b"}}, one.specials}).hash());
        QCOMPARE(chosen(one).hash(), chosen(padded).hash());
        QCOMPARE(chosen(one).hash(), chosen(more).hash());
        QVERIFY(!chosen(more).saysDate() && chosen({{{"default", source}}, {}}).saysDate());
        QCOMPARE(rendered(source, {{"user", "x"}}, {}, "2026-11-27").value(), "27 Nov 2026");
        QVERIFY(!rendered(source, {{"user", "x"}}));
        for (const char* form : {"%H", "%c", "%-B", "%", "%-"})
            QVERIFY(rendered(fmt::format("{{{{ strftime_now('{}') }}}}", form), {{"user", "x"}}, {}, "2026-11-27").error().kind == ErrorKind::Unsupported);
        for (const char* date : {"2026-13-01", "2026-02-30", "yesterday", "2026-1-1-1x"})
            QVERIFY(!rendered(source, {{"user", "x"}}, {}, date));
        QCOMPARE(today().size(), std::size_t{10});
    }

    /// As the harness: asked again without messages of the system, where that is what it refuses.
    void systemLeftOut() {
        const std::string source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}{{ m.content }}{% endfor %}";
        const auto chosen = ChatTemplate::choose({{{"default", source}}, {}}, "", "", "test");
        QVERIFY(chosen);
        const auto without = chosen->render(std::vector<ChatMessage>{{"system", "s"}, {"user", "u"}});
        QVERIFY(without && without->withoutSystem && without->text == "u");
        const auto plain = chosen->render(std::vector<ChatMessage>{{"user", "u"}});
        QVERIFY(plain && !plain->withoutSystem);
        const auto refused = rendered("{{ raise_exception('never') }}", {{"system", "s"}, {"user", "u"}});
        QVERIFY(!refused && refused.error().message.find("the chat template refuses: never") != std::string::npos);
    }

    /// What is not in the language is named once it is reached, with its line, and never left out; neither are arguments.
    void lacksAreNamed() {
        const auto says = [](const std::string& source) { return rendered(source, {{"user", "x"}}).error(); };
        QVERIFY(says("\n{{ 'a' | shuffle }}").message.find("the filter \"shuffle\" is not known (line 2") != std::string::npos);
        for (const char* source : {"{{ 'a'.format(1) }}", "{{ 1 is prime }}", "{{ cycler('a') }}", "{{ ({'b': 1, 'a': 2}) | tojson }}",
                                   "{% for k in {'b': 1, 'a': 2} %}{% endfor %}", "{{ messages[0].content() }}", "{{ messages | join(', ', attribute='role') }}",
                                   "{{ 'ff' | int(0, 16) }}", "{{ 'abc'.startswith('b', 1) }}", "{{ 'abc'.find('b', 1) }}", "{{ 'a' | upper(1) }}", "{{ [1] | first(2) }}",
                                   "{{ 'a' | default('b', true, 1) }}", "{{ [1] | tojson(sort_keys=true) }}", "{{ messages | map(attribute='x') | join }}"})
            QCOMPARE(says(source).kind, ErrorKind::Unsupported);
        for (const char* source : {"{% with a, b = [1, 2] %}{% endwith %}", "{% with %}{% macro f() %}{% endmacro %}{% endwith %}", "{% macro f() %}{% endmacro %}\n{% call f() %}{% endcall %}"})
            QCOMPARE(says(source).kind, ErrorKind::Unsupported);
        QCOMPARE(rendered("{% if tools %}{{ tools | shuffle }}{% endif %}{{ messages[0].content }}", {{"user", "x"}}).value(), "x");
    }
private:
    static Json readReference() {
        QTemporaryDir folder;
        const QString file = folder.filePath("cases.json");
        const test::PeerQuestion question{"tests/oracle/chat_template_reference.py", {file}, folder.path()};
        const bool byHand = qEnvironmentVariableIsSet("CREST_CHAT_TEMPLATES"); // further ones, which may change
        const auto done = byHand ? test::askPeer(question) : test::askPeerOnce(question);
        [&] { QVERIFY2(done, done ? "" : done.error().text().c_str()); }();
        const auto text = io::readTextFile(file.toStdString());
        return done && text ? Json::parse(*text, nullptr, false) : Json();
    }
};

QTEST_GUILESS_MAIN(ChatTemplateTest)
#include "tst_chat_template.moc"
