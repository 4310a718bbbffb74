// SPDX-License-Identifier: Apache-2.0
// Fine-tuning data: shipped forms, what is recognised, what is learned, cut, counted and refused.
#include <set>

#include "core/data/py_text.h"
#include "core/data/texts.h"
#include "core/data/tuning_preview.h"
#include "tests/core/data/tuning_fixture.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::data;

class TuningDataTest : public test::TuningDataFixture {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { loadTokenizer(); }

    void shippedFormsAndStyles() {
        const auto templates = readTuningTemplates(kTemplates);
        QVERIFY2(templates, templates ? "" : templates.error().text().c_str());
        QVERIFY(templates->forms.size() >= 17);
        QVERIFY(templates->styles.size() >= 4);
        for (const TuningTemplate& one : templates->forms) {
            QVERIFY2(std::filesystem::exists(std::string(kTemplates) + "/" + one.name() + ".json"), one.name().c_str());
            const auto again = TuningTemplate::parse(Json::parse(canonicalJson(one.definition())), "");
            QVERIFY(again && again->name() == one.name());
        }
        for (const ChatStyle& one : templates->styles)
            QVERIFY(std::filesystem::exists(std::string(kTemplates) + "/chat/" + one.name() + ".json"));
    }

    void recognisedByFields_data() {
        QTest::addColumn<QString>("row");
        QTest::addColumn<QString>("gives");
        const auto add = [](const char* row, const char* gives) {
            QTest::newRow(row) << QString(row) << QString(gives);
        };
        add(R"({"text":"x"})", "text");
        add(R"({"text":"x","timestamp":"t","url":"u"})", "text");
        add(R"({"prompt":"x","completion":"y"})", "prompt-completion");
        add(R"({"prompt":[],"completion":[]})", "prompt-completion-messages");
        add(R"({"prompt":3,"completion":4})", "prompt-completion");
        add(R"({"instruction":"x","input":"","output":"y"})", "alpaca");
        add(R"({"dataset":"d","id":"1","messages":[]})", "messages");
        add(R"({"id":"1","conversations":[]})", "sharegpt");
        add(R"({"chosen":"x","rejected":"y"})", "anthropic-hh");
        add(R"({"question":"q","answer":"a #### 1"})", "gsm8k");
        add(R"({"context":"c","question":"q","answerA":"1","answerB":"2","answerC":"3","label":"1"})", "siqa");
        add(R"({"content":"c","lang":"python"})", "starcoder");
        add(R"({"text":"x","coarse_label":1,"fine_label":7})", "trec");
        add(R"({"text":"x","label":1})", "!these forms would fit: mr, text. Choose one");
        add(R"({"sentence1":"x","sentence2":"y","label":1})", "!these forms would fit: rte. Choose one");
        add(R"({"question":"q","answer":"a"})", "!no form fits these rows, which have the fields answer, question");
        add(R"({"transcript":"x","rating":1})", "!anthropic-hh (chosen, rejected)");
    }

    void recognisedByFields() {
        QFETCH(QString, row);
        QFETCH(QString, gives);
        const auto templates = readTuningTemplates(kTemplates);
        const auto found = recogniseForm(Json::parse(row.toStdString()), *templates);
        const QString said = QString::fromStdString(found ? found->name() : "!" + found.error().message);
        QVERIFY2(found ? said == gives : gives.startsWith('!') && said.contains(gives.mid(1)), qPrintable(said));
    }

    void refusedForms_data() {
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("says");
        const auto add = [](const char* change, const char* says) {
            QTest::newRow(change) << QString(change) << QString(says);
        };
        add(R"({"format":"crest tuning 9"})", "this program reads \"crest tuning 1\"");
        add(R"({"promt":"x"})", "the key \"promt\" is not known");
        add(R"({"needs":[]})", "\"needs\" must list");
        add(R"({"completion":null})", "must have one of");
        add(R"({"text":"{{q}}"})", "must have one of");
        add("{\"prompt\":\"{% if q %}\"}", "prompt"); // no raw string: moc counts its braces
        add(R"({"turns":{"user":{"completion":"x"}}})", "no dialogues");
        add(R"({"prompt":null,"completion":null,"messages":{"list":"{{m}}"}})", "needs \"turns\"");
        add(R"({"prompt":null,"completion":null,"messages":{"list":"{{m}}"},"turns":{"user":{"prompt":"x"}}})",
            "nothing would be learned");
        add(R"({"prompt":null,"completion":null,"dialogue":{"text":"{{m}}","marks":{}},)"
            R"("turns":{"a":{"completion":"x"}}})",
            "\"marks\"");
        add(R"({"fields":["x"]})", "\"fields\" must be an object");
        add(R"({"name":""})", "\"name\"");
    }

    void refusedForms() {
        QFETCH(QString, change);
        QFETCH(QString, says);
        QVERIFY(TuningTemplate::parse(form(), "f.json"));
        const auto parsed = TuningTemplate::parse(form(change.toUtf8().constData()), "f.json");
        QVERIFY(!parsed);
        QVERIFY2(QString::fromStdString(parsed.error().text()).contains(says), parsed.error().text().c_str());
    }

    /// Each as a form of rows and as a way of writing dialogues.
    void hostileForms_data() {
        QTest::addColumn<std::string>("content");
        const auto many = [](const std::string& unit, std::size_t size) {
            std::string text;
            while (text.size() < size)
                text += unit;
            return text;
        };
        constexpr std::size_t kMost = 900'000;
        const auto with = [&](const char* key, Json value) {
            Json changed = form();
            changed[key] = std::move(value);
            return changed.dump();
        };
        QTest::newRow("beyond all size") << many(" ", 60'000'000);
        QTest::newRow("of empty objects") << "{\"a\":[" + many("{},", kMost) + "{}]}";
        QTest::newRow("nested deep") << many("[", kMost);
        QTest::newRow("a text without end") << "{\"name\":\"" + many("x", kMost);
        QTest::newRow("a number without end") << "{\"format\":" + many("7", kMost);
        QTest::newRow("a long name") << with("name", std::string(kMost, 'n'));
        QTest::newRow("needs without end") << with("needs", std::vector<std::string>(100'000, "q"));
        QTest::newRow("one long template") << with("prompt", many("{{q}}", kMost));
        QTest::newRow("one deep template") << with("prompt", many("{% if q %}", kMost));
        QTest::newRow("brackets") << with("prompt", "{{" + many("(", kMost));
        QTest::newRow("a key twice") << std::string("{\"format\":\"crest tuning 1\",\"format\":\"crest tuning 1\"}");
        QTest::newRow("not UTF-8") << std::string("{\"name\":\"\xFF\"}");
        QTest::newRow("zeros") << std::string(1000, '\0');
        QTest::newRow("nothing") << std::string();
    }

    void hostileForms() {
        QFETCH(std::string, content);
        const std::string file = write("hostile/f.json", content);
        std::string said;
        const auto use = [&] {
            const auto asForm = readTuningTemplate(file);
            const auto asStyle = readChatStyle(file);
            said = asForm || asStyle ? "" : asForm.error().text() + asStyle.error().text();
        };
        const std::string over = test::beyondLimits(test::spentBy(use), content.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY2(!said.empty() && said.size() < 1500, said.substr(0, 1500).c_str());
    }

    void whatIsLearned() {
        const auto ready = resolved(plain(writeRows("p.jsonl", pairs(3))));
        QVERIFY2(ready, ready ? "" : ready.error().text().c_str());
        QCOMPARE(ready->form, std::string("prompt-completion"));
        const auto set = readTuningData(*ready, *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->train.size(), std::size_t(3));
        // By hand: ids of the whole, the end token behind, learned behind the ids of the prompt.
        auto ids = m_tokenizer->encode("word 0: a thing of kind 0");
        const std::size_t prompt = m_tokenizer->encode("word 0:").size();
        ids.push_back(*m_tokenizer->eosId());
        QCOMPARE(set->train[0].ids, ids);
        for (std::size_t i = 0; i < ids.size(); ++i)
            QCOMPARE(set->train[0].learned[i] != 0, i >= prompt);
        TuningDataSettings all = *ready;
        all.lossOn = LossOn::All;
        const auto whole = readTuningData(all, *m_tokenizer);
        QCOMPARE(whole->train[0].ids, ids);
        QCOMPARE(whole->trainCounts.learned, whole->trainCounts.tokens - 3); // never the first
    }

    void dialoguesEndWithTheLastAnswer() {
        const Json talk{{{"role", "user"}, {"content", "hi"}},
                        {{"role", "assistant"}, {"content", "yes"}},
                        {{"role", "user"}, {"content", "and"}},
                        {{"role", "assistant"}, {"content", " "}},
                        {{"role", "user"}, {"content", "more"}}};
        const auto templates = readTuningTemplates(kTemplates);
        const auto plainText = templates->form("messages")->segments({{"messages", talk}});
        QVERIFY(plainText);
        QCOMPARE(*plainText,
                 (std::vector<TuningSegment>{{"User: hi\nAssistant:", false, false}, {" yes", true, false}}));
        Json longer = talk;
        longer[3]["content"] = "no";
        const auto tulu =
            templates->form("messages")->segments({{"messages", longer.dump()}}, templates->style("tulu"));
        QVERIFY(tulu);
        QCOMPARE(*tulu, (std::vector<TuningSegment>{{"<|user|>\nhi\n<|assistant|>\n", false, false},
                                                    {"yes", true, false},
                                                    {"", true, true},
                                                    {"\n", true, false},
                                                    {"<|user|>\nand\n<|assistant|>\n", false, false},
                                                    {"no", true, false},
                                                    {"", true, true}}));
        longer[2]["role"] = "tool";
        const auto unknown = templates->form("messages")->segments({{"messages", longer}}, templates->style("tulu"));
        QVERIFY(!unknown &&
                has(unknown.error().message, "turn 3 is of the role \"tool\"; \"tulu\" knows assistant, system, user"));
    }

    void shippedDataOfTheSample() {
        std::int64_t bytes = 0;
        for (const char* name : {"bible", "glosses"}) {
            const std::string file = std::string(kSample) + "/tuning/" + name + ".jsonl";
            bytes += static_cast<std::int64_t>(std::filesystem::file_size(file));
            TuningDataSettings settings = plain(file);
            settings.maxTokens = 128;
            settings.split.heldOutShare = 0.1;
            const auto ready = resolved(settings);
            QVERIFY2(ready, ready ? "" : ready.error().text().c_str());
            const auto set = readTuningData(*ready, *m_tokenizer);
            QVERIFY2(set, set ? "" : set.error().text().c_str());
            QCOMPARE(set->counts.badRows, std::int64_t(0));
            QCOMPARE(set->repeated, std::int64_t(0));
            QVERIFY(set->train.size() > 2000 && set->heldOut.size() > 200);
            QVERIFY(100 * (set->trainCounts.tooLong + set->heldOutCounts.tooLong) <
                    static_cast<std::int64_t>(set->train.size()));
            const auto plan = planTuningData(*ready);
            QVERIFY(plan);
            QCOMPARE(plan->contentHash, set->contentHash);
            QCOMPARE(plan->heldOutRows, static_cast<std::int64_t>(set->heldOut.size()));
            qInfo("%s: %zu + %zu examples, %lld + %lld tokens, longest %lld, median %g, too long %lld", name,
                  set->train.size(), set->heldOut.size(), static_cast<long long>(set->trainCounts.tokens),
                  static_cast<long long>(set->heldOutCounts.tokens), static_cast<long long>(set->lengths.longest),
                  set->lengths.median, static_cast<long long>(set->trainCounts.tooLong + set->heldOutCounts.tooLong));
        }
        QVERIFY(bytes < 1'000'000);
    }

    /// No run of 13 words of what is trained on stands in the texts that are held out.
    void sampleIsDisjointFromItsHeldOutTexts() {
        const auto runsOf = [](const std::string& text, const auto& use) {
            const std::vector<std::string> words = pySplitSpace(text);
            for (std::size_t i = 0; i + 13 <= words.size(); ++i) {
                std::string run;
                for (std::size_t k = i; k < i + 13; ++k)
                    run += words[k] + " ";
                use(run);
            }
        };
        std::set<std::string> heldOut;
        for (const char* name : {"bible", "glosses", "dictionary"}) {
            const auto texts = readTexts(std::string(kSample) + "/texts/" + name + ".jsonl");
            QVERIFY(texts);
            for (std::size_t d = 0; d < texts->documents.size(); ++d)
                runsOf(std::string(texts->documents[d]), [&](const std::string& run) { heldOut.insert(run); });
        }
        QVERIFY(heldOut.size() > 10'000);
        for (const char* name : {"bible", "glosses"}) {
            std::ifstream file(std::string(kSample) + "/tuning/" + name + ".jsonl");
            int runs = 0;
            for (std::string line; std::getline(file, line);) {
                const Json row = Json::parse(line);
                const std::string text = row.contains("text")
                                             ? row["text"].get<std::string>()
                                             : row["prompt"].get<std::string>() + row["completion"].get<std::string>();
                runsOf(text, [&](const std::string& run) {
                    ++runs;
                    if (heldOut.contains(run))
                        QFAIL(run.c_str());
                });
            }
            QVERIFY(runs > 5000);
        }
    }

    void settingsBothWays() {
        TuningDataSettings settings = plain("x.jsonl");
        settings.form = "alpaca";
        settings.formDefinition = canonicalJson(form());
        settings.lossOn = LossOn::All;
        settings.begin = TuningBegin::BeginToken;
        settings.tooLong = TooLong::Drop;
        settings.maxTokens = 77;
        settings.split = {0.25, 3, 4, 5, 6};
        settings.maxBadShare = 0.5;
        const Json json = tuningDataToJson(settings);
        const auto again = tuningDataFromJson(Json::parse(canonicalJson(json)), "s");
        QVERIFY2(again, again ? "" : again.error().text().c_str());
        QCOMPARE(*again, settings);
        for (const char* wrong : {R"({"loss_on":"none"})", R"({"max_tokens":1})", R"({"held_out_share":0.95})",
                                  R"({"split_seed":-1})", R"({"sample_count":-1})", R"({"what":1})", R"({"path":7})",
                                  R"({"form_definition":"x"})", R"({"too_long":7})"}) {
            Json changed = json;
            changed.merge_patch(Json::parse(wrong));
            QVERIFY2(!tuningDataFromJson(changed, "s"), wrong);
        }
    }

    void hashIsOfContent() {
        const auto hashOf = [&](TuningDataSettings settings) {
            const auto ready = resolved(std::move(settings));
            const auto plan = ready ? planTuningData(*ready) : Result<TuningDataPlan>(fail(ready.error()));
            return plan ? plan->contentHash : plan.error().text();
        };
        const auto rows = pairs(20);
        const std::string lines = writeRows("hash.jsonl", rows);
        std::string table = "prompt,completion\n";
        for (const Json& row : rows)
            table += row["prompt"].get<std::string>() + "," + row["completion"].get<std::string>() + "\n";
        const std::string base = hashOf(plain(lines));
        QCOMPARE(base.size(), std::size_t(64));
        QCOMPARE(hashOf(plain(write("hash.csv", table))), base);
        QCOMPARE(hashOf(plain(write("hash.json", Json(rows).dump(2)))), base);
        QCOMPARE(hashOf(plain(write("nested/train-00000-of-00001.jsonl", Json(rows[0]).dump()))).size(),
                 std::size_t(64));
        std::filesystem::copy_file(lines, at("nested/train-00000-of-00001.jsonl"),
                                   std::filesystem::copy_options::overwrite_existing);
        QCOMPARE(hashOf(plain(at("nested"))), base);
        auto changed = rows;
        changed[7]["completion"] = " another";
        std::set<std::string> different{base, hashOf(plain(writeRows("changed.jsonl", changed)))};
        TuningDataSettings settings = plain(lines);
        settings.split.splitSeed = 9; // draws nothing
        QCOMPARE(hashOf(settings), base);
        settings.split.heldOutCount = 2;
        different.insert(hashOf(settings));
        settings.split.splitSeed = 10;
        different.insert(hashOf(settings));
        settings.split.sampleCount = 5;
        different.insert(hashOf(settings));
        settings.maxTokens = 99;
        different.insert(hashOf(settings));
        settings.lossOn = LossOn::All;
        different.insert(hashOf(settings));
        settings.chat = "tulu";
        different.insert(hashOf(settings));
        QCOMPARE(different.size(), std::size_t(8));
    }

    void readTwiceIsTheSame() {
        TuningDataSettings settings = plain(writeRows("twice.jsonl", pairs(300)));
        settings.split = {0, 20, 1, 100, 1};
        const auto ready = resolved(settings);
        const auto once = readTuningData(*ready, *m_tokenizer);
        const auto twice = readTuningData(*ready, *m_tokenizer, {}, {}, 1000);
        QVERIFY(once && twice);
        QCOMPARE(once->train.size(), std::size_t(100));
        QCOMPARE(once->heldOut.size(), std::size_t(20));
        QVERIFY(once->train == twice->train && once->heldOut == twice->heldOut);
        QCOMPARE(once->contentHash, twice->contentHash);
        for (std::size_t i = 0; i < once->train.size(); ++i) {
            const std::string text = m_tokenizer->decode(once->train[i].ids);
            QVERIFY(text.starts_with("word " + std::to_string(once->trainRows[i]) + ":"));
        }
    }

    void tooLongIsCutOrDroppedAndCounted() {
        auto rows = pairs(20);
        std::string words;
        for (int i = 0; i < 100; ++i)
            words += " something";
        rows[3]["completion"] = words;
        rows[5]["prompt"] = words;
        rows[9]["completion"] = " \n";
        rows.push_back(rows[0]);
        TuningDataSettings settings = plain(writeRows("long.jsonl", rows));
        settings.maxTokens = 40;
        auto ready = resolved(settings);
        auto set = readTuningData(*ready, *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->counts.rows, std::int64_t(21));
        QCOMPARE(set->counts.blankRows, std::int64_t(1));
        QCOMPARE(set->trainCounts.tooLong, std::int64_t(1)); // each is counted once
        QCOMPARE(set->trainCounts.emptied, std::int64_t(1)); // the prompt alone is longer
        QCOMPARE(set->train.size(), std::size_t(19));
        QCOMPARE(set->train[3].ids.size(), std::size_t(40));
        QVERIFY(set->train[3].ids.back() != *m_tokenizer->eosId());
        QVERIFY(set->lengths.longest > 100);
        QCOMPARE(set->notes.size(), std::size_t(3));
        QVERIFY2(has(set->notes[1], "1 of 20 examples are longer than 40 tokens and are cut off there"), set->notes[1].c_str());
        QVERIFY2(has(set->notes[2], "1 of 20 examples have nothing to learn within their first 40 tokens"), set->notes[2].c_str());
        const auto preview = previewTuningRows(*ready, *m_tokenizer, {5, 0});
        QVERIFY(preview);
        QCOMPARE(preview->examples.size(), std::size_t(7)); // the front, and what is left out further back
        QCOMPARE(preview->front, std::size_t(5));
        QCOMPARE(preview->tokenCounts.tooLong, std::int64_t(1));
        QCOMPARE(preview->tokenCounts.emptied, std::int64_t(1));
        QCOMPARE(preview->trainExamples, std::int64_t(19));
        const auto& cut = preview->examples[3];
        QCOMPARE(cut.tokens, std::int64_t(40));
        QCOMPARE(cut.segments.size(), std::size_t(4)); // prompt, answer, its tail that is cut, end token that is cut
        QVERIFY(!cut.segments[1].truncated && cut.segments[2].truncated && cut.segments[3].isEndToken &&
                cut.segments[3].truncated);
        QCOMPARE(cut.segments[1].text + cut.segments[2].text, words);
        settings.tooLong = TooLong::Drop;
        ready = resolved(settings);
        set = readTuningData(*ready, *m_tokenizer);
        QCOMPARE(set->train.size(), std::size_t(18));
        QCOMPARE(set->trainCounts.tooLong, std::int64_t(2));
        QCOMPARE(set->trainCounts.emptied, std::int64_t(0));
    }

    /// Every row that is not trained on is in the preview, at its place in the file, with the reason and what can be shown of it.
    void previewShowsWhatIsLeftOut() {
        std::string words, content = "\n{broken\n"; // an empty line is no row, but counts as a line
        for (int i = 0; i < 100; ++i)
            words += " something";
        for (const Json& row : {Json{{"prompt", "a:"}, {"completion", " b"}}, Json{{"prompt", "c:"}, {"completion", " \n"}},
                                Json{{"prompt", "d:"}, {"completion", nullptr}}, Json{{"prompt", words}, {"completion", " e"}}})
            content += row.dump() + "\n";
        for (const Json& row : pairs(50))
            content += row.dump() + "\n";
        content += Json{{"prompt", "f:"}}.dump() + "\n";
        TuningDataSettings settings = plain(write("leftout.jsonl", content));
        settings.form = "prompt-completion";
        settings.maxTokens = 40;
        const auto ready = resolved(settings);
        const auto whole = previewTuningRows(*ready, *m_tokenizer, {6, 0, 10});
        QVERIFY2(whole, whole ? "" : whole.error().text().c_str());
        QCOMPARE(whole->front, std::size_t(6));
        QCOMPARE(whole->examples.size(), std::size_t(7));
        const std::pair<std::int64_t, const char*> wanted[] = {
            {2, "is no whole JSON object"},
            {3, ""}, {4, "there is no answer in it, or a blank one"},
            {5, "there is no answer in it, or a blank one"},
            {6, "nothing within its first 40 of "}, {7, ""}, {57, "there is no \"completion\""}};
        for (std::size_t i = 0; i < std::size(wanted); ++i) {
            const PreviewExample& shown = whole->examples[i];
            QCOMPARE(shown.row, wanted[i].first);
            QVERIFY2(wanted[i].second[0] == '\0' ? shown.leftOut.empty() : has(shown.leftOut, wanted[i].second), shown.leftOut.c_str());
            QCOMPARE(shown.file, std::string()); // there is one
        }
        QVERIFY(whole->examples[0].segments.empty() && whole->examples[6].segments.empty());
        QCOMPARE(whole->examples[2].segments.front(), (PreviewSegment{"c: \n", false, false, false})); // all of it
        QCOMPARE(whole->examples[4].segments.front().text.substr(0, 20), words.substr(0, 20));
        const std::int64_t leftOut = whole->counts.badRows + whole->counts.blankRows + whole->tokenCounts.emptied;
        QCOMPARE(leftOut, std::int64_t(5)); // each once
        QCOMPARE(whole->counts.rows, leftOut + whole->trainExamples);
        QCOMPARE(whole->problem, std::string());
        const auto front = previewTuningRows(*ready, *m_tokenizer, {2, 8});
        QVERIFY(front && !front->whole && front->front == 2);
        QCOMPARE(front->examples.size(), std::size_t(5));
        std::filesystem::create_directories(at("parts"));
        std::filesystem::copy_file(settings.path, at("parts/train-1.jsonl"));
        std::filesystem::copy_file(settings.path, at("parts/train-2.jsonl"));
        TuningDataSettings parts = *ready;
        parts.path = at("parts");
        const auto both = previewTuningRows(parts, *m_tokenizer, {6, 0, 10});
        QVERIFY(both && both->examples.back().file == "train-2.jsonl" && both->examples.back().row == 57);
    }

    /// Before anything runs, in the words that training would stop with.
    void previewSaysWhatIsRefused() {
        const auto problemShown = [&](const TuningDataSettings& settings) {
            const auto preview = previewTuningRows(*resolved(settings), *m_tokenizer);
            return preview ? preview->problem : "! " + preview.error().text();
        };
        TuningDataSettings one = plain(writeRows("justone.jsonl", pairs(1)));
        one.split.heldOutShare = 0.1;
        TuningDataSettings narrow = plain(writeRows("toonarrow.jsonl", pairs(30)));
        narrow.maxTokens = 2;
        for (const TuningDataSettings& settings : {one, narrow}) {
            const auto set = readTuningData(*resolved(settings), *m_tokenizer);
            QVERIFY(!set);
            QCOMPARE(problemShown(settings), set.error().message);
        }
        TuningDataSettings good = plain(at("toonarrow.jsonl"));
        QCOMPARE(problemShown(good), std::string());
    }

    void paragraphsOfAText() {
        const auto set =
            readTuningData(*resolved(plain(write("t.txt", "One line\nand one.\n\nAnother.\n"))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->train.size(), std::size_t(2));
        QCOMPARE(m_tokenizer->decode(set->train[0].ids, true), std::string("One line\nand one."));
    }

    void histogramOfLengths() {
        const std::vector<std::int32_t> lengths{1, 3, 3, 8, 95};
        const LengthHistogram made = lengthHistogram(lengths, 10);
        QCOMPARE(made.width, std::int64_t(10));
        QCOMPARE(made.counts, (std::vector<std::int64_t>{4, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
        QCOMPARE(made.median, 3.0);
        QCOMPARE(lengthHistogram(lengths, 100).width, std::int64_t(1));
        QCOMPARE(lengthHistogram(lengths, 30).width, std::int64_t(5));
        QVERIFY(lengthHistogram({}).counts.empty());
    }

    void stopsWhenAsked() {
        std::stop_source source;
        source.request_stop();
        const auto ready = resolved(plain(writeRows("stop.jsonl", pairs(3))));
        const auto set = readTuningData(*ready, *m_tokenizer, JobContext(source.get_token()));
        QVERIFY(!set && set.error().kind == ErrorKind::Stopped);
    }
};

QTEST_GUILESS_MAIN(TuningDataTest)
#include "tst_tuning_data.moc"
