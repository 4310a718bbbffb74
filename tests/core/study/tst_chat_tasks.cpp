// SPDX-License-Identifier: Apache-2.0
// What a plan pins of the chat templates of a series.
#include <filesystem>
#include <fstream>

#include <QTemporaryDir>
#include <QtTest>

#include "core/study/chat_tasks.h"
#include "core/study/planner.h"
#include "core/study/suite_tasks.h"

using namespace crest;
using namespace crest::study;

namespace {

Task taskWith(const char* chat) {
    const Json definition = {{"name", "t"},      {"kind", "generation"},  {"data", {{"test", {"t.jsonl"}}}},
                             {"context", "{{x}}"}, {"metrics", {"tokens"}}, {"chat", Json::parse(chat)}};
    Task task;
    task.name = "t";
    task.kind = TaskKind::Suite;
    task.definition = canonicalJson(definition);
    return task;
}

Json chatOf(const Task& task) {
    return Json::parse(task.definition)["chat"];
}

} // namespace

class ChatTasksTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void pinsHashAndDate() {
        const auto checkpoint = make("a", "{{ messages[0].content }}"), dated = make("b", "{{ strftime_now('%Y') }}");
        std::vector<Task> tasks{taskWith("true"), taskWith("false"), taskWith(R"({"multiturn": true})")};
        const std::string plain = tasks[1].definition;
        QVERIFY(pinChat(tasks, {&checkpoint}));
        QCOMPARE(chatOf(tasks[0])["sha256"].get<std::string>().size(), std::size_t{64});
        QVERIFY(!chatOf(tasks[0]).contains("date")); // prompts do not change from day to day
        QCOMPARE(tasks[1].definition, plain);
        QCOMPARE(taskHash(tasks[0]), taskHash(tasks[2])); // two ways to write the same
        std::vector<Task> others{taskWith("true")};
        QVERIFY(pinChat(others, {&dated}));
        QCOMPARE(chatOf(others[0])["date"].get<std::string>(), data::today());
        QVERIFY(taskHash(others[0]) != taskHash(tasks[0]));
    }

    /// A runner gets what was planned, with the plan's date, or a sentence.
    void runnersGetThePlannedOne() {
        const auto checkpoint = make("c", "{{ strftime_now('%d %B %Y') }}");
        std::vector<Task> tasks{taskWith(R"({"date": "2024-02-09"})")};
        QVERIFY(pinChat(tasks, {&checkpoint}));
        const auto definition = data::parseTask(Json::parse(tasks[0].definition), "t").value();
        const auto chat = chatTemplateOf(definition, checkpoint.path);
        QVERIFY(chat && *chat);
        QCOMPARE((*chat)->render(std::vector<data::ChatMessage>{{"user", "x"}}).value().text, "09 February 2024");
        make("c", "another");
        const auto changed = chatTemplateOf(definition, checkpoint.path);
        QVERIFY(!changed && changed.error().kind == ErrorKind::Mismatch);
        QVERIFY(!*chatTemplateOf(data::parseTask(Json::parse(taskWith("false").definition), "t").value(), checkpoint.path));
    }

    void refusesWhatCannotBeCompared() {
        const auto first = make("d", "one"), other = make("e", "two"), none = make("f", ""), broken = make("g", "{% if %}");
        const auto refused = [](const std::vector<const series::Checkpoint*>& checkpoints) {
            std::vector<Task> tasks{taskWith("true")};
            const auto pinned = pinChat(tasks, checkpoints);
            return pinned ? Error{ErrorKind::Internal, "accepted", ""} : pinned.error();
        };
        QCOMPARE(refused({&first, &other}).kind, ErrorKind::Mismatch);
        QCOMPARE(refused({&first, &other}).where, other.path.string());
        QCOMPARE(refused({&first, &none}).kind, ErrorKind::NotFound);
        QCOMPARE(refused({&none}).kind, ErrorKind::NotFound);
        QCOMPARE(refused({&broken}).kind, ErrorKind::Malformed);
        std::vector<Task> plain{taskWith("false")};
        QVERIFY(pinChat(plain, {&first, &other, &none, &broken}));
    }

    /// What a plan says of a template, and what it does not begin.
    void notesOnTemplates() {
        const std::filesystem::path data = std::filesystem::path(m_folder.path().toStdString()) / "rows";
        std::filesystem::create_directories(data);
        std::ofstream(data / "t.jsonl") << "{\"x\": \"1\"}\n{\"x\": \"2\"}\n{\"x\": \"3\"}\n";
        const auto takes = make("h", "{{ messages | length }}"), never = make("j", "{{ raise_exception('never') }}"),
                   noSystem = make("i", "{% for m in messages if m.role == 'system' %}{{ raise_exception('none') }}{% endfor %}{{ messages[0].content }}");
        const auto planned = [&](const char* chat, const series::Checkpoint& checkpoint) {
            Task task = taskWith(chat);
            Json definition = Json::parse(task.definition);
            definition["system"] = "s";
            task.definition = canonicalJson(definition);
            task.textsPath = data.string();
            std::vector<Task> tasks{task};
            [&] { QVERIFY(pinChat(tasks, {&checkpoint}) && pinSuiteTask(tasks[0])); }();
            return tasks[0];
        };
        QVERIFY(notesOn(planned("true", takes), takes.path).value().empty());
        const Task without = planned("true", noSystem);
        QCOMPARE(notesOn(without, noSystem.path).value(),
                 std::vector<std::string>{"t: the chat template refuses a system message; 3 items are asked without it"});
        QVERIFY(checkChat(without, noSystem.path));
        QCOMPARE(notesOn(without, takes.path).error().kind, ErrorKind::Mismatch); // not the one of the plan
        const auto refused = checkChat(planned("true", never), never.path);
        QVERIFY(!refused && refused.error().message.find("the chat template refuses: never") != std::string::npos);
        QVERIFY(checkChat(planned("false", never), never.path) && notesOn(planned("false", never), never.path).value().empty());
    }

private:
    QTemporaryDir m_folder;

    /// A folder with this template; "" for none.
    series::Checkpoint make(const char* name, const std::string& source) const {
        series::Checkpoint checkpoint;
        checkpoint.path = std::filesystem::path(m_folder.path().toStdString()) / name;
        std::filesystem::create_directories(checkpoint.path);
        if (!source.empty())
            std::ofstream(checkpoint.path / "chat_template.jinja") << source;
        return checkpoint;
    }
};

QTEST_GUILESS_MAIN(ChatTasksTest)
#include "tst_chat_tasks.moc"
