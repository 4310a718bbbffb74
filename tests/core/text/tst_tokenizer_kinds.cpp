// SPDX-License-Identifier: Apache-2.0
// Every kind of tokenizer, made by the tokenizers library on the spot: ids and decoded texts of 50,000 strings must be
// the same, and of every code point. CREST_TOKENIZER_STRINGS sets another number of strings.
#include <QDir>
#include <QTemporaryDir>
#include <QTest>
#include <algorithm>

#include "core/base/json.h"
#include "core/text/tokenizer.h"
#include "tests/core/text/records.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::text;
using namespace crest::text::test;

namespace {

/// Writes tokenizers of single characters below argv[1] and prints {name: [[text, ids], ...]}: what added tokens that swallow white space leave of
/// each other, and what still stands at the start of a text whose first characters were replaced.
const char* const kOddCases = R"(
import itertools, json, os, random, sys
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
META, rng = "\u2581", random.Random(5)
def characters(normalizer=None, pre_tokenizer=None, added=()):
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(["<unk>", META, *" abcZ\u3000\n<>x"])}, [], unk_token="<unk>"))
    if normalizer: tokenizer.normalizer = normalizer
    if pre_tokenizer: tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_tokens(list(added))
    return tokenizer
first = lambda: pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
replace = lambda pattern, content: characters(normalizers.Replace(pattern, content), first())
kinds = {"swallowed": characters(added=[AddedToken("<x>", rstrip=True, normalized=False), AddedToken("  ", lstrip=True, rstrip=True, normalized=False),
                                        AddedToken("\u3000", lstrip=True, normalized=False)]),
         "two characters by one": replace("ab", "Z"), "one by one": replace("a", "Z"), "one by two": replace("a", "bc"), "two by none": replace("ab", ""),
         "runs": replace(Regex(" {2,}"), "Z")}
texts = ["".join(t) for n in range(5) for t in itertools.product(["<x>", " ", "\u3000", "a", "b"], repeat=n)]
out = {}
for name, tokenizer in kinds.items():
    os.makedirs(os.path.join(sys.argv[1], name))
    tokenizer.save(os.path.join(sys.argv[1], name, "tokenizer.json"))
    out[name] = []
    for text in texts:
        try: out[name].append([text, tokenizer.encode(text, add_special_tokens=False).ids])
        except BaseException as panic:  # of the reference, where a token would begin behind its end
            if type(panic).__name__ != "PanicException": raise
print(json.dumps(out))
)";

} // namespace

class TokenizerKindsTest : public QObject {
    Q_OBJECT

private:
    void compareIds(const Tokenizer& tokenizer, const QString& folder, const std::vector<std::string>& texts) {
        Records records(folder + QStringLiteral("/ids.bin"));
        Ids reference;
        for (const std::string& text : texts) {
            QVERIFY(records.next(reference));
            const Ids ours = tokenizer.encode(text);
            if (ours != reference) // QVERIFY2 would make its text for every string
                QFAIL(different(text, ours, reference).c_str());
        }
        std::size_t special = 0;
        for (; records.next(reference); ++special) {
            const Ids ours = tokenizer.encode(texts[special], Specials::Template);
            if (ours != reference)
                QFAIL(different(texts[special], ours, reference).c_str());
        }
        QCOMPARE(special, std::min<std::size_t>(texts.size(), 2000));
    }

    /// Of the first `count` strings' ids, then of the lists of random ones.
    void compareTexts(const Tokenizer& tokenizer, const QString& folder, std::size_t count, bool skip) {
        Records decoded(folder + (skip ? QStringLiteral("/skipped.bin") : QStringLiteral("/decoded.bin")));
        Records ids(folder + QStringLiteral("/ids.bin"));
        Records lists(folder + QStringLiteral("/random.bin"));
        Ids list;
        std::string text;
        for (std::size_t i = 0; i < count + 2000; ++i) {
            QVERIFY(i < count ? ids.next(list) : lists.next(list));
            QVERIFY(decoded.next(text));
            if (list.empty())
                continue;
            const std::string ours = tokenizer.decode(list, skip);
            if (ours != text)
                QFAIL((Json(list).dump() + "\n ours      " + Json(ours).dump() + "\n reference " + Json(text).dump())
                          .c_str());
        }
        QVERIFY(!decoded.next(text));
    }

private Q_SLOTS:
    void kinds_data() {
        QTest::addColumn<QString>("kinds");
        QTest::addColumn<QString>("strings");
        // What tokenizers in use are made of on 50,000 strings; what only made-up files combine on so many with CREST_FULL.
        const auto row = [](const char* name, const char* kinds) {
            QTest::newRow(name) << QString::fromLatin1(kinds) << QStringLiteral("50000");
        };
        const auto rarer = [full = qEnvironmentVariableIsSet("CREST_FULL")](const char* name, const char* kinds) {
            QTest::newRow(name) << QString::fromLatin1(kinds)
                                << (full ? QStringLiteral("50000") : QStringLiteral("10000"));
        };
        QTest::newRow("every code point") << QStringLiteral("gpt2 neox olmo2 smollm") << QStringLiteral("points");
        row("byte level", "gpt2 neox olmo2 qwen2 llama3 smollm opt");
        rarer("byte level, rarer", "digit_runs split_gpt2 few_bytes few_bytes_unknown few_bytes_fused legacy");
        row("Llama 2", "llama2 llama2_trained_merges llama2_whole_words added_after_normalizer");
        rarer("Llama 2 with gaps", "llama2_few_bytes llama2_no_bytes llama2_no_fusing llama2_no_unknown");
        row("Unigram", "unigram unigram_bytes unigram_whole unigram_never unigram_precompiled");
        rarer("Metaspace", "metaspace_first metaspace_first_split metaspace_always_split metaspace_never strip_left");
        rarer("words", "word_suffix word_prefix whitespace_split delimiter no_decoder");
        rarer("bytes as characters", "byte_level_normalizer byte_level_inside");
        rarer("removed", "split_removed split_removed_inverted punctuation_removed split_all_removed");
        rarer("isolated", "split_isolated split_isolated_inverted punctuation_isolated split_all_isolated");
        rarer("merged with previous", "split_merged_with_previous split_merged_with_previous_inverted "
                                      "punctuation_merged_with_previous split_all_merged_with_previous");
        rarer("merged with next", "split_merged_with_next split_merged_with_next_inverted "
                                  "punctuation_merged_with_next split_all_merged_with_next");
        rarer("contiguous", "split_contiguous split_contiguous_inverted punctuation_contiguous split_all_contiguous");
        row("vocab.json and merges.txt", "opt_files gpt2_files gpt2_map_files gpt2_list_files");
        row("compiled character map", "precompiled");
        QTest::newRow("the sample's file as it is shipped") << QStringLiteral("sample_files") << QStringLiteral("10000");
    }

    void kinds() {
        QFETCH(QString, kinds);
        QFETCH(QString, strings);
        QTemporaryDir folder;
        crest::test::PeerQuestion question{QStringLiteral("tests/core/text/tokenizer_kinds.py"),
                                           QStringList{folder.path(), strings} + kinds.split(QLatin1Char(' ')), folder.path()};
        if (kinds == QStringLiteral("sample_files"))
            question.alsoReads << QStringLiteral("resources/sample/series/sample-seed1/step015625-tokens64M/tokenizer.json");
        const auto made = crest::test::askPeerOnce(question);
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        std::vector<std::string> texts;
        std::string text;
        for (Records records(folder.filePath(QStringLiteral("texts.bin"))); records.next(text);)
            texts.push_back(text);
        if (strings == QStringLiteral("points"))
            QVERIFY(texts.size() > 900);
        else
            QCOMPARE(QString::number(texts.size()), strings);
        for (const QString& kind : kinds.split(QLatin1Char(' '))) {
            const QString place = folder.filePath(kind);
            const auto tokenizer = Tokenizer::load(place.toStdString());
            QVERIFY2(tokenizer, qPrintable(kind + QLatin1Char(' ') +
                                           QString::fromStdString(tokenizer ? "" : tokenizer.error().text())));
            qInfo("%s", qPrintable(kind));
            compareIds(*tokenizer, place, texts);
            if (!QTest::currentTestFailed())
                compareTexts(*tokenizer, place, texts.size(), false);
            if (!QTest::currentTestFailed())
                compareTexts(*tokenizer, place, std::min<std::size_t>(texts.size(), 5000), true);
            if (QTest::currentTestFailed())
                QFAIL(qPrintable(kind));
        }
    }

    void oddCases() {
        QTemporaryDir folder;
        const auto made = crest::test::askPeerOnce({{}, {folder.path()}, folder.path(), {}, QString::fromUtf8(kOddCases)});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        const auto answers = parseJson(*made, "tokenizers");
        QVERIFY(answers && answers->size() == 6);
        for (const auto& [name, rows] : answers->items()) {
            QVERIFY(rows.size() > 600);
            const auto tokenizer = Tokenizer::load(folder.filePath(QString::fromStdString(name)).toStdString());
            QVERIFY2(tokenizer, tokenizer ? "" : tokenizer.error().text().c_str());
            for (const Json& row : rows) {
                const Ids ours = tokenizer->encode(row[0].get<std::string>());
                if (ours != row[1].get<Ids>())
                    QFAIL((name + ": " + different(row[0], ours, row[1])).c_str());
            }
        }
    }
};

QTEST_GUILESS_MAIN(TokenizerKindsTest)
#include "tst_tokenizer_kinds.moc"
