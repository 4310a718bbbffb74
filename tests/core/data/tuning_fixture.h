// SPDX-License-Identifier: Apache-2.0
// What tests of fine-tuning data share: files of rows, the sample's tokenizer, settings as they are mostly wanted.
#pragma once

#include <fstream>
#include <optional>

#include <QTemporaryDir>
#include <QTest>

#include "core/data/tuning_data.h"
#include "core/data/tuning_template.h"

namespace crest::test {

class TuningDataFixture : public QObject {
protected:
    static constexpr const char* kTemplates = CREST_SOURCE_DIR "/resources/tuning";
    static constexpr const char* kSample = CREST_SOURCE_DIR "/resources/sample";

    static bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
    void loadTokenizer() {
        auto loaded = text::Tokenizer::load(std::string(kSample) + "/series/sample-seed1/step015625-tokens64M");
        QVERIFY2(loaded, loaded ? "" : loaded.error().text().c_str());
        m_tokenizer = *loaded;
    }
    QTemporaryDir m_folder;
    std::optional<text::Tokenizer> m_tokenizer;

    std::string at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }
    std::string write(const std::string& name, const std::string& content) const {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        std::ofstream(at(name), std::ios::binary) << content;
        return at(name);
    }
    std::string writeRows(const std::string& name, const std::vector<Json>& rows) const {
        std::string content;
        for (const Json& row : rows)
            content += row.dump() + "\n";
        return write(name, content);
    }
    static data::TuningDataSettings plain(const std::string& path) {
        data::TuningDataSettings settings;
        settings.path = path;
        settings.split.heldOutShare = 0;
        return settings;
    }
    static Result<data::TuningDataSettings> resolved(data::TuningDataSettings settings) {
        return data::resolveTuningData(std::move(settings), kTemplates);
    }
    std::string problemOf(data::TuningDataSettings settings) const {
        const auto ready = resolved(std::move(settings));
        if (!ready)
            return ready.error().text();
        const auto set = data::readTuningData(*ready, *m_tokenizer);
        return set ? "" : set.error().text();
    }
    static std::vector<Json> pairs(int count) {
        std::vector<Json> rows;
        for (int i = 0; i < count; ++i)
            rows.push_back({{"prompt", "word " + std::to_string(i) + ":"},
                            {"completion", " a thing of kind " + std::to_string(i)}});
        return rows;
    }
    static Json form(const char* change = "{}") {
        Json json{{"format", "crest tuning 1"},
                  {"name", "mine"},
                  {"needs", {"q"}},
                  {"prompt", "{{q}}"},
                  {"completion", " {{a}}"}};
        json.merge_patch(Json::parse(change));
        return json;
    }
};

} // namespace crest::test
